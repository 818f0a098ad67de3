/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grades and durations.  A ban is reached by confirmation alone: whatever is forged in somebody's name ends at the
 * short block.
 */
#include "policy.h"

#include <math.h>

#define DAY_MS     86400000LL
#define LONGEST_MS (3650 * DAY_MS)

void engine_config_defaults(struct engine_config *config)
{
	*config = (struct engine_config){
		.ipv6_prefix = 64,
		.protect_auto = 1,
		.alert = log(0.99 / 1e-2),
		.block = log(0.99 / 1e-3),
		.ban = log(0.99 / 1e-4),
		.slow_half_life_ms = DAY_MS,
		.max_sources = 65536,
		.block_first_ms = 10 * 60000,
		.block_max_ms = 60 * 60000,
		.ban_first_ms = 60 * 60000,
		.ban_max_ms = 7 * DAY_MS,
		.storm_rate = 60,
		.storm_live = 4096,
	};
}

enum grade policy_grade(const struct engine_config *config, const struct score *score)
{
	double total = score_total(score);

	if (score->confirmed >= config->ban)
		return GRADE_BAN;
	if (total >= config->block)
		return GRADE_BLOCK;
	return total >= config->alert ? GRADE_ALERT : GRADE_WATCH;
}

double policy_threshold(const struct engine_config *config, enum grade grade)
{
	switch (grade) {
	case GRADE_ALERT: return config->alert;
	case GRADE_BLOCK: return config->block;
	case GRADE_BAN: return config->ban;
	default: return 0;
	}
}

int64_t policy_duration_ms(const struct engine_config *config, enum grade grade, unsigned times)
{
	int64_t duration = grade == GRADE_BAN ? config->ban_first_ms : config->block_first_ms;
	int64_t max = grade == GRADE_BAN ? config->ban_max_ms : config->block_max_ms;

	for (unsigned i = 1; i < times && duration < max; i++)
		duration *= 2;
	return duration < max ? duration : max;
}

uint8_t policy_next_times(const struct source *source, int64_t now_ms)
{
	int64_t today = now_ms / DAY_MS;

	if (source->times == 0 || today - source->last_block_day > POLICY_FORGET_DAYS)
		return 1;
	return source->times < UINT8_MAX ? (uint8_t)(source->times + 1) : UINT8_MAX;
}

bool policy_is_high(const struct engine_config *config, double total)
{
	return total >= 2 * config->block;
}

static int64_t clamp_ms(int64_t value, int64_t low)
{
	return value < low ? low : value > LONGEST_MS ? LONGEST_MS : value;
}

struct engine_config policy_sane(const struct engine_config *config)
{
	struct engine_config sane = *config, defaults;

	engine_config_defaults(&defaults);
	sane.ipv6_prefix = sane.ipv6_prefix < 48 ? 48 : sane.ipv6_prefix > 128 ? 128 : sane.ipv6_prefix;
	sane.alert = isfinite(sane.alert) && sane.alert > 0 ? sane.alert : defaults.alert;
	sane.block = isfinite(sane.block) && sane.block >= sane.alert ? sane.block : fmax(sane.alert, defaults.block);
	sane.ban = isfinite(sane.ban) && sane.ban > 0 ? sane.ban : defaults.ban;
	sane.slow_half_life_ms = clamp_ms(sane.slow_half_life_ms, 1000);
	sane.max_sources = sane.max_sources < 1024 ? 1024 : sane.max_sources > 4194304 ? 4194304 : sane.max_sources;
	sane.block_first_ms = clamp_ms(sane.block_first_ms, 1);
	sane.block_max_ms = clamp_ms(sane.block_max_ms, sane.block_first_ms);
	sane.ban_first_ms = clamp_ms(sane.ban_first_ms, 1);
	sane.ban_max_ms = clamp_ms(sane.ban_max_ms, sane.ban_first_ms);
	return sane;
}
