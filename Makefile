# SPDX-License-Identifier: GPL-2.0-or-later
# picket.  `make up` guards this host, `make check` runs every test; `make help` lists the rest.

VERSION   := 0.2.0
PREFIX    ?= /usr
SBINDIR   ?= $(PREFIX)/sbin
MANDIR    ?= $(PREFIX)/share/man
DOCDIR    ?= $(PREFIX)/share/doc/picket
UNITDIR   ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
SYSCONFDIR ?= /etc
BUILD     ?= build
# make V=1 shows the compiler's command lines
Q          = $(if $(V),,@echo '  $(notdir $@)';)
CC        ?= cc
CFLAGS    ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
LDFLAGS   ?= -Wl,-z,relro,-z,now -pie
# The linker drops the marks of -fcf-protection when one object has none, as the C library's own start files in
# Debian 12.  It is told to set them all the same: what those files hold returns where it was called from.
ifneq ($(filter x86_64-% i%86-%,$(shell $(CC) -dumpmachine)),)
CET_CFLAGS  := -fcf-protection
CET_LDFLAGS := -Wl,-z,ibt,-z,shstk
endif
SANITIZER := address,undefined,float-cast-overflow
ifdef SANITIZE
CFLAGS    := -O1 -g -fsanitize=$(SANITIZER) -fno-sanitize-recover=undefined,float-cast-overflow -fno-omit-frame-pointer
LDFLAGS   := -fsanitize=$(SANITIZER) -pie
endif
# --coverage writes beside each object what was run, see scripts/coverage.
ifdef COVERAGE
CFLAGS    := -O0 -g --coverage -Wno-maybe-uninitialized
LDFLAGS   := --coverage -pie
endif
FUZZ_CC      ?= clang
# What drives a program of tests/fuzz: replays files, or clang's libFuzzer
FUZZ_MAIN    ?= $(BUILD)/fuzz/replay.o
TIME         ?= 20
BENCH_ROWS   ?= 1000000
MUTANTS      ?= 200

PACKAGES  := libnetfilter_queue libmnl libnftnl libconfuse libevent_core jansson libsystemd libseccomp libcap sqlite3 libpcap
# Files are numbered and sized in 64 bits on every machine.  Times are as long as those of the system's libraries, to
# which they are handed: in Debian 12 32 bits, on 32-bit machines.
WARNINGS  := -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wformat=2 -Wvla -Wwrite-strings -Wimplicit-fallthrough -Wundef $(if $(CI),-Werror)
ALL_CFLAGS = $(WARNINGS) -fPIE -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DPICKET_VERSION='"$(VERSION)"' $(CET_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(CET_LDFLAGS) $(LDFLAGS)
LIBS       = $(shell pkg-config --libs $(PACKAGES))
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))

# Each layer sees itself and the layers below: an upward include does not build.
INCLUDE_base     := -Isrc/base
INCLUDE_core     := -Isrc/base -Iinclude -Isrc/core
INCLUDE_os       := -Isrc/base -Iinclude -Isrc/os
INCLUDE_adapters := -Isrc/base -Isrc/os -Iinclude -Isrc/adapters
INCLUDE_config   := -Isrc/base -Isrc/os -Iinclude -Isrc/config
INCLUDE_daemon   := $(INCLUDE_adapters) -Isrc/config -Isrc/daemon
INCLUDE_ctl      := $(INCLUDE_adapters) -Isrc/config -Isrc/ctl
INCLUDE_tests    := -Isrc/base -Isrc/os -Iinclude -Isrc/core -Isrc/adapters -Isrc/config -Isrc/daemon -Isrc/ctl

sources = $(wildcard src/$(1)/*.c src/$(1)/*/*.c)
objects = $(patsubst src/%.c,$(BUILD)/%.o,$(call sources,$(1)))
programs = $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/$(1).c))
UNIT   := $(call programs,unit/test_*)
FUZZ   := $(call programs,fuzz/fuzz_*)
BENCH  := $(call programs,bench/bench_*)
REPLAY := $(patsubst tests/%.c,$(BUILD)/tests/%.o,$(wildcard tests/replay/*.c))
# What a program links that stands above the core, lowest last.
STACK  := $(patsubst %,$(BUILD)/lib%.a,daemon ctl config adapters os picket)
CORE   := $(BUILD)/libpicket.a

.PHONY: all
all: $(BUILD)/picketd $(BUILD)/picketctl  ## builds picketd and picketctl

define layer
$(BUILD)/$(1)/%.o: src/$(1)/%.c
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(INCLUDE_$(1)) $(2) -MMD -MP -c -o $$@ $$<
-include $$(patsubst %.o,%.d,$$(call objects,$(1)))
endef
$(eval $(call layer,base))
$(eval $(call layer,core))
$(eval $(call layer,os,$$(PKG_CFLAGS)))
$(eval $(call layer,adapters,$$(PKG_CFLAGS)))
$(eval $(call layer,config,$$(PKG_CFLAGS)))
$(eval $(call layer,daemon,$$(PKG_CFLAGS)))
$(eval $(call layer,ctl,$$(PKG_CFLAGS)))

# A new version is built into what tells it.
$(patsubst src/%.c,$(BUILD)/%.o,$(shell grep -rl PICKET_VERSION src)): Makefile

$(BUILD)/libpicket.a: $(call objects,base) $(call objects,core)
$(BUILD)/libos.a: $(call objects,os)
$(BUILD)/libadapters.a: $(call objects,adapters)
$(BUILD)/libconfig.a: $(call objects,config)
$(BUILD)/libdaemon.a: $(filter-out $(BUILD)/daemon/main.o,$(call objects,daemon))
$(BUILD)/libctl.a: $(filter-out $(BUILD)/ctl/main.o,$(call objects,ctl))
$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

# All of it in one library, for tests/mutation (STACK and CORE name it there): a changed file costs one link.
$(BUILD)/libmutants.so: $(filter-out %/main.o,$(foreach layer,base core os adapters config daemon ctl,$(call objects,$(layer))))
	$(Q)$(CC) $(CFLAGS) -shared -o $@ $^ $(LIBS) -lm
.PHONY: libraries
libraries:
	@echo $(LIBS) -lm

$(BUILD)/picketd: $(BUILD)/daemon/main.o $(filter-out %/libctl.a,$(STACK))
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lm
$(BUILD)/picketctl: $(BUILD)/ctl/main.o $(filter-out %/libdaemon.a,$(STACK))
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lm

# One source file of tests/ makes one program.
define program
$(BUILD)/$(1)/%: tests/$(1)/%.c $(STACK)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(ALL_CFLAGS) $$(INCLUDE_tests) $$(PKG_CFLAGS) $$(ALL_LDFLAGS) $(2) -MMD -MP -o $$@ $$< $$(STACK) $(3) $$(LIBS) -lm
-include $$(wildcard $(BUILD)/$(1)/*.d)
endef
$(eval $(call program,unit,,-lcmocka -lutil))
$(eval $(call program,bench))
$(eval $(call program,fuzz,$$(FUZZ_MAIN)))
$(filter-out -%,$(FUZZ_MAIN)): tests/fuzz/replay.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(FUZZ): $(filter-out -%,$(FUZZ_MAIN))

.PHONY: unit
unit: $(UNIT)                           ## the unit tests
	@set -e; for t in $(UNIT); do $$t; done

# Scenarios as text: the engine alone, in virtual time.
$(BUILD)/replay-run: $(REPLAY) $(CORE)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lm
$(BUILD)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(INCLUDE_core) -MMD -MP -c -o $@ $<
-include $(REPLAY:.o=.d)

# ---- what people do with it

.PHONY: up down deb demo check system asan lint format install uninstall
up:                                     ## guards this host: installs what is needed, builds, starts picket
	@scripts/up

down:                                   ## undoes `make up` (PURGE=1: configuration and memory too)
	@scripts/down

demo: all                               ## a scan and an honest client side by side, in namespaces, with a timeline
	@scripts/install-deps demo
	@PICKET_BUILD=$(BUILD) scripts/demo

deb:                                    ## the Debian package, in build/deb, checked by lintian
	@scripts/deb

# ---- tests

check:                                  ## every test: lint, unit, scenarios, fuzzers, system, its core with sanitizers
	@scripts/install-deps build test
	@$(MAKE) -j$$(nproc) all $(UNIT) $(BENCH) $(BUILD)/replay-run
	@$(MAKE) -j$$(nproc) BUILD=$(BUILD)-asan SANITIZE=1 all fuzz-programs
	@PICKET_BUILD=$(BUILD) scripts/check

system: all                             ## the system tests alone
	@PICKET_BUILD=$(BUILD) scripts/check system

asan:                                   ## unit tests and the core of the system tests with sanitizers
	@$(MAKE) BUILD=$(BUILD)-asan SANITIZE=1 all unit
	@PICKET_BUILD=$(BUILD) scripts/check asan

.PHONY: fuzz fuzzers fuzz-programs fuzz-replay fuzz-seeds fuzz-coverage
.PHONY: bench bench-engine bench-peers bench-rest veil-table chaos vm builds calibrate mutants
fuzz: fuzzers                           ## libFuzzer: each program of tests/fuzz for TIME (20) seconds, or some: ONLY="store wire" (clang)
	@PICKET_BUILD=$(BUILD) scripts/fuzz run $(TIME) $(ONLY)

fuzz-replay:                            ## the seeds of tests/fuzz, each once, with sanitizers; make check does it too
	@$(MAKE) BUILD=$(BUILD)-asan SANITIZE=1 fuzz-programs
	@PICKET_BUILD=$(BUILD) scripts/check fuzz

fuzz-seeds: fuzzers                     ## makes tests/fuzz/seeds anew of themselves and of what make fuzz has found (ONLY=; clang)
	@PICKET_BUILD=$(BUILD) scripts/fuzz seeds $(ONLY)

fuzz-coverage:                          ## how many lines the seeds reach, beside the goal; MISSING=1 names the others
	@$(MAKE) BUILD=$(BUILD)-coverage COVERAGE=1 fuzz-programs
	@PICKET_BUILD=$(BUILD) scripts/coverage $(if $(MISSING),--missing) $(ONLY)

fuzzers:
	@command -v $(FUZZ_CC) >/dev/null || { echo "fuzzers: there is no $(FUZZ_CC), whose libFuzzer they need"; exit 1; }
	@$(MAKE) BUILD=$(BUILD)-fuzz CC=$(FUZZ_CC) SANITIZE=1 SANITIZER=fuzzer-no-link,$(SANITIZER) \
		FUZZ_MAIN=-fsanitize=fuzzer fuzz-programs
fuzz-programs: $(FUZZ)

bench: all $(BENCH)                     ## what picket costs, beside what is promised: table, JSON, pictures in $(BUILD)/bench/out (root; SECTIONS=)
	@scripts/install-deps bench || echo "bench: not everything could be installed"
	@PICKET_BUILD=$(BUILD) BENCH_ROWS=$(BENCH_ROWS) /usr/bin/python3 -B tests/bench/bench.py -o $(BUILD)/bench/out \
		$(BENCH_FLAGS) $(SECTIONS)

bench-peers: all $(BUILD)/bench/bench_path  ## picket beside portsentry, psad, scanlogd, fail2ban, an nft recipe (root; a quarter of an hour)
	@scripts/install-deps bench || echo "bench-peers: not everything could be installed"
	@PICKET_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/bench_peers.py -o $(BUILD)/bench/out $(PEERS)

bench-rest: all                         ## at rest: wake-ups, start, stop, memory and list with 100,000 bans (root; two minutes)
	PICKET_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/rest.py

# The same program over the library of another checkout (PICKET_BASE), which is built there.
$(BUILD)/bench/base_engine: tests/bench/bench_engine.c
	@mkdir -p $(@D)
	@$(MAKE) -C $(PICKET_BASE) build/libpicket.a
	$(Q)$(CC) $(ALL_CFLAGS) -I$(PICKET_BASE)/src/base -I$(PICKET_BASE)/include $(ALL_LDFLAGS) -o $@ $< \
		$(PICKET_BASE)/build/libpicket.a -lm

bench-engine: $(BUILD)/bench/bench_engine  ## a probe's price in the engine, from memory to verdict; PICKET_BASE=DIR: beside another checkout
	$(if $(PICKET_BASE),@rm -f $(BUILD)/bench/base_engine; $(MAKE) $(BUILD)/bench/base_engine)
	@PICKET_BUILD=$(BUILD) PICKET_BASE=$(PICKET_BASE) /usr/bin/python3 -B tests/bench/engine.py $(CASES)

veil-table: all                         ## what a veil tells scanners and costs the honest; what forgers can do (root; an hour)
	PICKET_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/veil.py
	PICKET_BUILD=$(BUILD) /usr/bin/python3 -B tests/bench/figures.py

chaos: all                              ## CHAOS (1000) rounds of random faults under load, two hours (root); prints its seed
	PICKET_BUILD=$(BUILD) /usr/bin/python3 -B tests/system/chaos.py -n $(or $(CHAOS),1000)

vm:                                     ## the package on an emulated machine (10 minutes); DEBIAN=11, 12, 13; KERNEL=5.10, 6.1, 6.12, all
	@scripts/install-deps build deb vm || echo "vm: not everything could be installed"
	@/usr/bin/python3 -B tests/vm/run.py $(DEBIAN:%=--debian %) $(KERNEL:%=--kernel %) $(if $(UPGRADE),--upgrade) || [ $$? = 77 ]

builds:                                 ## DEBIAN ("11 12 13"): each release's compiler and libraries build, test, package it (root; 10 minutes)
	@scripts/install-deps vm || echo "builds: not everything could be installed"
	@/usr/bin/python3 -B tests/vm/builds.py $(DEBIAN) || [ $$? = 77 ]

mutants:                                ## do the tests notice a wrong program?  MUTANTS (200) random changes each; SEED=N (root; an hour)
	@/usr/bin/python3 -B tests/mutation/mutate.py -n $(MUTANTS) $(if $(SEED),-s $(SEED)) src/core
	@/usr/bin/python3 -B tests/mutation/mutate.py -n $(MUTANTS) $(if $(SEED),-s $(SEED)) \
		src/config src/adapters/store src/daemon/wire

calibrate: $(BUILD)/replay-run          ## every scenario's peak score and its distance to each threshold
	@$(BUILD)/replay-run --report tests/replay/*.txt

# ---- for those who work on it

lint:                                   ## the house's rules, formatter, static analyzers, shellcheck, mandoc, pyflakes, pycodestyle
	@scripts/lint

format:                                 ## clang-format over every C file that git knows
	@git ls-files -z -- '*.c' '*.h' | xargs -0 $(or $(shell command -v clang-format-14),clang-format) -i

# Made anew each time: files come and go, and it takes a second.
.PHONY: compile_commands.json
compile_commands.json:                  ## how each file is compiled, for clangd and the like
	@$(MAKE) -Bnk --no-print-directory Q= BUILD=$(BUILD) all $(UNIT) $(BENCH) $(FUZZ) $(BUILD)/replay-run \
		$(BUILD)/tests/system/delayline.o $(BUILD)/tests/system/flood.o | scripts/compile-commands > $@.new
	@mv $@.new $@

# ---- installation; nothing that an admin may have changed is overwritten

install: all                            ## installs below DESTDIR
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/picket/conf.d $(DESTDIR)$(DOCDIR)
	install -m 755 $(BUILD)/picketd $(BUILD)/picketctl $(DESTDIR)$(SBINDIR)
	test -e $(DESTDIR)$(SYSCONFDIR)/picket/picket.conf || \
		install -m 644 conf/picket.conf $(DESTDIR)$(SYSCONFDIR)/picket/picket.conf
	install -m 644 conf/picket.conf README.md CHANGELOG.md LICENSE $(DESTDIR)$(DOCDIR)
	install -d $(DESTDIR)$(DOCDIR)/hooks && install -m 755 conf/hooks/* $(DESTDIR)$(DOCDIR)/hooks
	sed 's|/usr/sbin|$(SBINDIR)|g' conf/picket.service > $(DESTDIR)$(UNITDIR)/picket.service
	chmod 644 $(DESTDIR)$(UNITDIR)/picket.service
	install -m 755 scripts/picket-from-portsentry $(DESTDIR)$(SBINDIR)
	install -D -m 644 conf/picket.sysusers $(DESTDIR)$(SYSUSERSDIR)/picket.conf
	install -D -m 644 conf/picket.tmpfiles $(DESTDIR)$(TMPFILESDIR)/picket.conf
	install -D -m 644 conf/picket.service.d-hooks.conf.example $(DESTDIR)$(DOCDIR)/examples/hooks.conf
	install -m 644 conf/portsentry/* $(DESTDIR)$(DOCDIR)/examples
	if [ -n "$(DESTDIR)" ] || [ -d $(SYSCONFDIR)/fail2ban ]; then for part in filter.d jail.d; do \
		to=$(DESTDIR)$(SYSCONFDIR)/fail2ban/$$part/picket.conf; \
		[ -e $$to ] || install -D -m 644 conf/fail2ban/$$part/picket.conf $$to || exit 1; done; fi
	for page in man/*.[1-8]; do \
		dir=$(DESTDIR)$(MANDIR)/man$${page##*.}; install -d $$dir && install -m 644 $$page $$dir || exit 1; done
	if [ -e scripts/completion/picketctl.bash ]; then install -D -m 644 scripts/completion/picketctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/picketctl; fi
	if [ -e scripts/completion/_picketctl ]; then install -D -m 644 scripts/completion/_picketctl \
		$(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_picketctl; fi
ifeq ($(DESTDIR),)
	getent group picket >/dev/null || groupadd --system picket
	getent group picket-admin >/dev/null || groupadd --system picket-admin
	getent passwd picket >/dev/null || \
		useradd --system --gid picket --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin picket
	for user in picket-sentry picket-hook; do getent passwd $$user >/dev/null || \
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $$user || \
		exit 1; done
	install -d -m 750 -o picket -g picket /var/lib/picket
endif

uninstall:                              ## removes what install put there; keeps the configuration, the state and the accounts
	rm -f $(DESTDIR)$(SBINDIR)/picketd $(DESTDIR)$(SBINDIR)/picketctl $(DESTDIR)$(UNITDIR)/picket.service
	rm -f $(foreach page,$(notdir $(wildcard man/*.[1-8])),$(DESTDIR)$(MANDIR)/man$(patsubst .%,%,$(suffix $(page)))/$(page))
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/picketctl $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_picketctl
	rm -f $(DESTDIR)$(SBINDIR)/picket-from-portsentry $(DESTDIR)$(SYSUSERSDIR)/picket.conf $(DESTDIR)$(TMPFILESDIR)/picket.conf
	rm -f $(DESTDIR)$(SYSCONFDIR)/fail2ban/filter.d/picket.conf $(DESTDIR)$(SYSCONFDIR)/fail2ban/jail.d/picket.conf
	rm -rf $(DESTDIR)$(DOCDIR)


.PHONY: clean
clean:                                  ## removes what was built
	rm -rf $(BUILD)

.PHONY: help
help:                                   ## this list
	@sed -n 's/^\([a-z_.-]*\):.*## */\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24
