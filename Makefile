# SPDX-License-Identifier: GPL-2.0-or-later
# picket.  `make up` guards this host, `make check` runs every test; `make help` lists the rest.

VERSION   := 0.1.0
PREFIX    ?= /usr
SBINDIR   ?= $(PREFIX)/sbin
MANDIR    ?= $(PREFIX)/share/man
DOCDIR    ?= $(PREFIX)/share/doc/picket
UNITDIR   ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
BUILD     ?= build
CC        ?= cc
CFLAGS    ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection
LDFLAGS   ?= -Wl,-z,relro,-z,now -pie

PACKAGES  := libnetfilter_queue libmnl libnftnl libconfuse libevent_core jansson libsystemd libseccomp libcap sqlite3 libpcap
WARNINGS  := -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wformat=2 -Wvla -Wwrite-strings -Wimplicit-fallthrough -Wundef $(if $(CI),-Werror)
ALL_CFLAGS = $(WARNINGS) -fPIE -D_GNU_SOURCE -DPICKET_VERSION='"$(VERSION)"' $(CFLAGS)
LIBS       = $(shell pkg-config --libs $(PACKAGES))
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))

# Each layer sees itself and the layers below: an upward include does not build.
INCLUDE_base     := -Isrc/base
INCLUDE_core     := -Isrc/base -Iinclude -Isrc/core
INCLUDE_adapters := -Isrc/base -Iinclude -Isrc/adapters
INCLUDE_daemon   := $(INCLUDE_adapters) -Isrc/daemon
INCLUDE_ctl      := $(INCLUDE_adapters) -Isrc/ctl
INCLUDE_tests    := -Isrc/base -Iinclude -Isrc/core -Isrc/adapters -Isrc/daemon -Isrc/ctl

sources = $(wildcard src/$(1)/*.c)
objects = $(patsubst src/%.c,$(BUILD)/%.o,$(call sources,$(1)))
UNIT   := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))

.PHONY: all
all: $(BUILD)/picketd $(BUILD)/picketctl

define layer
$(BUILD)/$(1)/%.o: src/$(1)/%.c
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_CFLAGS) $$(INCLUDE_$(1)) $(2) -MMD -MP -c -o $$@ $$<
-include $$(patsubst %.o,%.d,$$(call objects,$(1)))
endef
$(eval $(call layer,base))
$(eval $(call layer,core))
$(eval $(call layer,adapters,$$(PKG_CFLAGS)))
$(eval $(call layer,daemon,$$(PKG_CFLAGS)))
$(eval $(call layer,ctl,$$(PKG_CFLAGS)))

$(BUILD)/libpicket.a: $(call objects,base) $(call objects,core)
$(BUILD)/libadapters.a: $(call objects,adapters)
$(BUILD)/libdaemon.a: $(filter-out $(BUILD)/daemon/main.o,$(call objects,daemon))
$(BUILD)/libctl.a: $(filter-out $(BUILD)/ctl/main.o,$(call objects,ctl))
$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/picketd: $(BUILD)/daemon/main.o $(BUILD)/libdaemon.a $(BUILD)/libadapters.a $(BUILD)/libpicket.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lm
$(BUILD)/picketctl: $(BUILD)/ctl/main.o $(BUILD)/libctl.a $(BUILD)/libadapters.a $(BUILD)/libpicket.a
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) -lm

$(BUILD)/unit/%: tests/unit/%.c $(BUILD)/libdaemon.a $(BUILD)/libctl.a $(BUILD)/libadapters.a $(BUILD)/libpicket.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(INCLUDE_tests) $(PKG_CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(filter %.a,$^) -lcmocka $(LIBS) -lm
-include $(wildcard $(BUILD)/unit/*.d)

.PHONY: unit
unit: $(UNIT)                           ## the unit tests
	@set -e; for t in $(UNIT); do $$t; done

.PHONY: clean
clean:                                  ## removes what was built
	rm -rf $(BUILD)

.PHONY: help
help:                                   ## this list
	@sed -n 's/^\([a-z-]*\):.*## */\1\t/p' $(MAKEFILE_LIST) | expand -t 14
