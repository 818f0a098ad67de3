/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flow's flag: a flow that was judged carries it in conntrack, and its packets pass by the first rule of a base
 * chain.  One chain writes it, to flows that both sides have spoken on and neither side of which has a grade.
 *
 *   mark    some bits of the ct mark, which others may use, too; a flow that another one expects (FTP's data) inherits
 *           its mark, so what a helper follows gets none
 *   label   a bit of the ct label; only entries made while a rule writes labels have room for one
 *
 * The flags of all flows become void at once when the rules ask for another value; its old bearers must have been
 * cleared before a value is used again (flows.c).  Two kinds of rules are found again by a tag: what lets pass, which
 * alone goes when flags become void, and what writes.
 */
#include "expr.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <string.h>

#define TAGGED_MAX 8

static void match_flag(struct rule_writer *w, const struct flow_flag *flag)
{
	static const uint8_t none[FLOW_LABEL_BYTES];
	uint8_t label[FLOW_LABEL_BYTES];

	if (flag->kind == FLOW_FLAG_MARK) {
		expr_load_ct(w, NFT_CT_MARK);
		expr_mask_with(w, NFT_REG_1, &flag->mask, sizeof(flag->mask));
		expr_compare_u32(w, NFT_CMP_EQ, flag->value);
		return;
	}
	flow_flag_label(flag->bit, label);
	expr_load_ct(w, NFT_CT_LABELS);
	expr_mask_with(w, NFT_REG_1, label, sizeof(label));
	expr_compare(w, NFT_CMP_NEQ, none, sizeof(none));
}

static void set_flag(struct rule_writer *w, const struct flow_flag *flag)
{
	const uint32_t others = ~flag->mask;
	uint8_t label[FLOW_LABEL_BYTES];

	if (flag->kind == FLOW_FLAG_MARK) {
		expr_load_ct(w, NFT_CT_MARK);
		expr_mask_set(w, NFT_REG_1, &others, &flag->value, sizeof(others));
		EXPR_APPEND(w, "ct", { NFTNL_EXPR_CT_KEY, NFT_CT_MARK }, { NFTNL_EXPR_CT_SREG, NFT_REG_1 });
		return;
	}
	flow_flag_label(flag->bit, label);
	expr_load_constant(w, NFT_REG_1, label, sizeof(label));
	EXPR_APPEND(w, "ct", { NFTNL_EXPR_CT_KEY, NFT_CT_LABELS }, { NFTNL_EXPR_CT_SREG, NFT_REG_1 });
}

void chains_flag_rules(struct rule_writer *w, const struct flow_flag *flag, bool out, bool through)
{
	const struct {
		const char *name;
		bool stands;
	} base[] = { { "pre", true }, { "out", out }, { "out_forward", out }, { "through", through } };

	if (flag->kind == FLOW_FLAG_NONE)
		return;
	rule_begin(w, "flag_set");
	rule_tag(w, FLAG_TAG_SET);
	set_flag(w, flag);
	rule_end(w);
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		if (!base[i].stands)
			continue;
		rule_begin_first(w, base[i].name);
		rule_tag(w, FLAG_TAG_PASS);
		match_flag(w, flag);
		rule_accept(w);
	}
}

void chains_flag(struct rule_writer *w, const struct nft_rules *rules)
{
	rule_chain(w, "flag_set");
	rule_chain(w, "flag");
	rule_begin(w, "flag"); /* what it expects would inherit the mark */
	rule_ct_status(w, IPS_HELPER);
	rule_accept(w);
	if (rules->mode == NFT_BLOCK && rules->out) {
		rule_begin(w, "flag"); /* what is dropped on its way out must not flag the answers */
		rule_jump(w, "graded_peer");
	}
	rule_begin(w, "flag");
	rule_jump(w, "flag_set");
	rule_begin(w, "flag");
	rule_accept(w);
}

/* ---- changes while the table stands ---- */

struct tagged {
	struct nft_batch *batch;
	const char *table;
	bool writers; /* these, too */
	unsigned count;
};

static bool has_tag(const struct nlmsghdr *dumped, bool writers)
{
	const struct nlattr *data = nft_attr(dumped, NFTA_RULE_USERDATA);
	const uint8_t *comment;

	if (!data || mnl_attr_get_payload_len(data) != 4)
		return false;
	comment = mnl_attr_get_payload(data);
	return comment[1] == 2 && (comment[2] == FLAG_TAG_PASS || (writers && comment[2] == FLAG_TAG_SET));
}

static int delete_tagged(void *context, const struct nlmsghdr *dumped)
{
	const struct nlattr *chain = nft_attr(dumped, NFTA_RULE_CHAIN), *handle = nft_attr(dumped, NFTA_RULE_HANDLE);
	struct tagged *tagged = context;
	struct nlmsghdr *nlh;

	if (!has_tag(dumped, tagged->writers))
		return 0;
	if (!chain || mnl_attr_validate(chain, MNL_TYPE_NUL_STRING) < 0 || !handle ||
	    mnl_attr_get_payload_len(handle) != sizeof(uint64_t))
		return -EBADMSG;
	nlh = nft_batch_open(tagged->batch, NFT_MSG_DELRULE, 0);
	if (!nlh)
		return tagged->batch->error;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, tagged->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, mnl_attr_get_str(chain));
	mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, mnl_attr_get_u64(handle));
	nft_batch_close(tagged->batch, nlh);
	tagged->count++;
	return 0;
}

/* One transaction; what was dumped may be gone when it comes. */
static int change(struct nft *nft, const struct flow_flag *flag, bool writers)
{
	int result = -EINTR;

	for (int i = 0; i < NFT_DUMP_ATTEMPTS && (result == -EINTR || result == -ENOENT); i++) {
		struct nft_written written = { 0 };
		struct nft_batch batch;
		struct tagged tagged = { &batch, nft->table, writers, 0 };

		nft_batch_init(&batch);
		result = nft_dump(nft, NFT_MSG_GETRULE, NULL, delete_tagged, &tagged);
		if (!result)
			written = nft_rules_write_flag(nft, &batch, flag);
		if (!result && (tagged.count || written.rules))
			result = nft_batch_run(nft, &batch);
		nft_batch_free(&batch);
		if (!result)
			nft->rules += written.rules - tagged.count;
	}
	return result;
}

int nft_flag_set(struct nft *nft, const struct flow_flag *flag)
{
	int result = change(nft, flag, true);

	if (!result)
		nft->flag = *flag;
	return result;
}

int nft_flag_void(struct nft *nft)
{
	static const struct flow_flag none = { FLOW_FLAG_NONE, 0, 0, 0 };
	int result = change(nft, &none, false);

	if (!result)
		nft->flag = none;
	return result;
}
