#ifndef _UL_CONTROL_H_
#define _UL_CONTROL_H_

/*
 * Controlled schedules: what the machine (control/kern/), the scheduler and
 * the program around them (control/host/) know of each other, beside what is
 * in ul_abi.h.  Only types of the language itself appear here.
 *
 * A process is a thread of the scenario, numbered from 0, or the FIFO of IPIs
 * from one CPU to another, numbered after them.  What a process does between
 * two choices is a segment.
 */

#define UL_PROCESSES	64		/* at most: a word's bits */

struct ul_fiber;
struct ul_scenario;

/* Stacks to run on.  Switching to a fiber goes on where it switched away. */
struct ul_fiber	*ul_host_fiber(void);		/* a new one, or NULL */
void		 ul_host_fiber_start(struct ul_fiber *, void (*)(void *),
		    void *);			/* what it does when entered */
void		 ul_host_fiber_switch(struct ul_fiber *);
void		 ul_host_fiber_home(void) __attribute__((noreturn));

/* Which segments a lock keeps apart, whatever they touch. */
struct ul_region {
	int		cpu;		/* where the segment ran */
	int		also;		/* its turn was needed too, or -1 */
	int		ipi;		/* it is a FIFO's, not a thread's */
	int		first;		/* it did not have its CPU before */
	int		holds;		/* it has it still */
	int		masks;		/* it came to keep IPIs from its CPU */
	int		masked;		/* it had done so already */
};

enum { UL_ABANDON = -1 };

/*
 * The scheduler.  Choose who goes on among the processes that can, or that this
 * execution is of no interest; then hear what the segment does.
 */
int		 ul_host_choose(unsigned long long enabled, int current);
void		 ul_host_touch(const volatile void *, int size, int write);
void		 ul_host_acquire(const volatile void *);	/* a lock */
void		 ul_host_release(const volatile void *);
void		 ul_host_wait(const volatile void *);
void		 ul_host_touch_fifo(int process);	/* its end */
int		 ul_host_pauses(int alone);	/* where a process could */
void		 ul_host_woke(int process);
void		 ul_host_sent(int process);
void		 ul_host_delivers(void);
void		 ul_host_segment_over(const struct ul_region *);

/* Shared memory that the segments of other processes may touch as well. */
void		 ul_host_watch(const volatile void *, unsigned long size);

/* The machine. */
enum ul_ending {
	UL_DONE, UL_DEADLOCK, UL_PANIC, UL_TRAP, UL_ENDLESS, UL_ABANDONED,
	UL_ASTRAY
};

/* NULL, or why not. */
const char	*ul_kern_control(const struct ul_scenario *);
void		 ul_kern_execute(int access);
void		 ul_kern_access(const volatile void *, int size, int write);
void		 ul_kern_end(enum ul_ending) __attribute__((noreturn));
void		 ul_host_ended(enum ul_ending);
int		 ul_kern_running(void);
int		 ul_kern_values(void);
const long	*ul_kern_value(void);
int		 ul_kern_processes(void);
int		 ul_kern_threads(void);
void		 ul_kern_fifo(int process, int *source, int *target);
int		 ul_kern_statement(int thread);	/* from 1; or 0 */
const char	*ul_kern_where(int process);	/* in which call, or NULL */
int		 ul_kern_sleeps(int thread);

/*
 * Whether a process would go on if another did not have its CPU, its IPIs or
 * the lock that it waits for; what is known of its next segment.
 */
int		 ul_kern_kept_out(int process, struct ul_region *,
		    const volatile void **lock);
int		 ul_kern_delivering(int process);

#endif
