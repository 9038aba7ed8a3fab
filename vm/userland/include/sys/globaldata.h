#ifndef _SYS_GLOBALDATA_H_
#define _SYS_GLOBALDATA_H_

#include <sys/thread.h>

/* A virtual CPU.  Only the thread that runs on it touches the plain fields. */
struct globaldata {
	struct thread	*gd_curthread;
	lwkt_queue	gd_tdrunq;
	u_int		gd_cpuid;
	int		gd_flags;
	int		gd_intr_nesting_level;
	int		gd_processing_ipiq;
	int		gd_spinlocks;
	_Atomic u_int	gd_reqflags;	/* there may be an IPI */
	_Atomic int	gd_parked;	/* its runner sleeps in the host */
	u_int		gd_polls;	/* looks at the clock now and then */
	struct thread	gd_idlethread;
	lwkt_queue	gd_timeoutq;	/* sleepers with a timeout, in order */
	struct ul_sem	*gd_idlesem;	/* where a parked runner sleeps */
} __cachealign;

typedef struct globaldata *globaldata_t;

#define RQF_IPIQ	0x0001
#define RQF_TIMER	0x0080
#define GDF_KPRINTF	0x0001	/* inside kprintf() */

#ifdef _KERNEL
#define mycpu		((struct globaldata *)curthread->td_gd)
#define mycpuid		((int)mycpu->gd_cpuid)

struct globaldata *globaldata_find(int);
#endif

#endif
