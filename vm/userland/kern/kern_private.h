#ifndef _KERN_PRIVATE_H_
#define _KERN_PRIVATE_H_

/* What the kernel half's files know of each other beyond the public API. */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/malloc.h>
#include <sys/thread.h>
#include <sys/thread2.h>
#include <sys/globaldata.h>
#include <ul_abi.h>

extern struct globaldata *ul_cpus;
extern int ul_spins;		/* how long an idle CPU spins before it parks */

/* A spin port of a thread's; eras without owners forget which. */
void	ul_initport_spin(lwkt_port_t, thread_t, int fixed_cpuid);
void	ul_enqueue(thread_t);			/* own CPU, critical section */
void	ul_ipiq_boot(void);
void	ul_post_from_host(globaldata_t, ipifunc1_t, void *);
void	ul_deliver(globaldata_t);		/* all IPIs; critical section */
void	ul_wait_a_little(u_int *);		/* spinning, no IPIs taken */
void	ul_send_wakeup(globaldata_t, ipifunc1_t, void *);
void	ul_sleepqueues_boot(void);
void	ul_panic_boot(void);
void	ul_stop_if_panicked(void);
void	ul_lock(int *);				/* short, and no IPIs taken */
void	ul_unlock(int *);
void	ul_timeout_add(globaldata_t, thread_t, int);
void	ul_timeout_remove(globaldata_t, thread_t);
void	ul_timeouts_expire(globaldata_t);
void	ul_look_at_clock(globaldata_t);		/* now and then, not always */

#endif
