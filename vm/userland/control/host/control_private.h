#ifndef _CONTROL_PRIVATE_H_
#define _CONTROL_PRIVATE_H_

/* What the files of the program around the machine know of each other. */

#include "ul_control.h"

void	fail(const char *why) __attribute__((noreturn));
void	watch_nothing(void);

/* How to choose: see main.c. */
enum policy {
	POLICY_ALL, POLICY_EXHAUSTIVE, POLICY_RANDOM, POLICY_PCT, POLICY_REPLAY
};

void	 schedule_begin(enum policy, unsigned long long seed, int depth);
const char *schedule_replay(char *directives);	/* NULL, or what is wrong */
void	 schedule_next(unsigned long long number);
int	 schedule_more(enum ul_ending);	/* something is left to try */
int	 schedule_length(void);
int	 schedule_process(int step);
int	 schedule_statement(int step, const char **where);
int	 schedule_astray(void);		/* what could not be obeyed, or -1 */

#endif
