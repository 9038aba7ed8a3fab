#ifndef _UL_SCENARIO_H_
#define _UL_SCENARIO_H_

#include <sys/types.h>

struct thread;

/* What a module for controlled schedules is, by the name ul_scenario. */
struct ul_scenario {
	int		cpus;
	int		threads;
	const int	*cpu;			/* of each thread */
	int		values;			/* of an outcome */
	long		*value;			/* where they are afterwards */
	const void	*shared;		/* what the columns share */
	size_t		size;
	void		(*prepare)(struct thread *const *);
	void		(*run)(int thread);
	void		(*observe)(void);
};

void	ul_statement(int number);	/* the thread is about to begin it */

#endif
