#ifndef _SYS_THREAD_H_
#define _SYS_THREAD_H_

#include <sys/param.h>
#include <sys/queue.h>
#include <sys/msgport.h>
#include <sys/time.h>
#include <machine/stdint.h>

struct globaldata;
struct intrframe;
struct thread;
struct ul_sem;

typedef struct thread	*thread_t;
typedef TAILQ_HEAD(lwkt_queue, thread) lwkt_queue;

typedef void (*ipifunc1_t)(void *);
typedef void (*ipifunc2_t)(void *, int);
typedef void (*ipifunc3_t)(void *, int, struct intrframe *);

#define MAXCPUFIFO	256		/* power of 2 */
#define MAXCPUFIFO_MASK	(MAXCPUFIFO - 1)

/*
 * The fields that a thread of another CPU may look at are _Atomic.  A thread
 * is on its CPU's run queue while it runs, as in the kernel.
 */
struct thread {
	TAILQ_ENTRY(thread) td_threadq;	/* run queue */
	TAILQ_ENTRY(thread) td_sleepq;	/* sleep queue, or a waker's list */
	TAILQ_ENTRY(thread) td_timeoutq;
	lwkt_port	td_msgport;	/* built-in port */
	_Atomic(struct globaldata *) td_gd;
	_Atomic(const char *) td_wmesg;	/* why it sleeps */
	const volatile void *_Atomic td_wchan;
	int		td_pri;
	int		td_critcount;
	_Atomic u_int	td_flags;
	_Atomic int	td_refs;
	char		td_comm[MAXCOMLEN + 1];
	/* Of this machine alone. */
	unsigned long long td_ul_deadline; /* of tsleep, ns; 0 for none */
	struct ul_sem	*td_ul_sem;	/* posted when it is given the CPU */
	void		(*td_ul_func)(void *);
	void		*td_ul_arg;
};

#define TDF_RUNNING		0x00000001
#define TDF_RUNQ		0x00000002
#define TDF_PREEMPT_LOCK	0x00000004	/* never set */
#define TDF_NOSTART		0x00000010
#define TDF_MIGRATING		0x00000020
#define TDF_TSLEEPQ		0x00000080
#define TDF_ALLOCATED_THREAD	0x00000200
#define TDF_TIMEOUT		0x00008000
#define TDF_TSLEEP_DESCHEDULED	0x00020000
#define TDF_BLOCKED		0x00040000
#define TDF_FORCE_SPINPORT	0x00200000
#define TDF_EXITING		0x00400000
#define TDF_FIXEDCPU		0x04000000

#define TDPRI_IDLE_THREAD	0
#define TDPRI_KERN_USER		6
#define TDPRI_KERN_DAEMON	10
#define TDPRI_MAX		31

#ifdef _KERNEL

extern _Thread_local struct thread *ul_curthread
    __attribute__((__tls_model__("initial-exec")));
#define curthread	ul_curthread

int	lwkt_create(void (*)(void *), void *, struct thread **, struct thread *,
	    int, int, const char *, ...) __printflike(7, 8);
void	lwkt_exit(void) __dead2;
void	lwkt_switch(void);
void	lwkt_yield(void);
void	lwkt_yield_quick(void);
void	lwkt_user_yield(void);
void	lwkt_schedule(thread_t);
void	lwkt_schedule_self(thread_t);
void	lwkt_deschedule(thread_t);
void	lwkt_deschedule_self(thread_t);
void	lwkt_hold(thread_t);
void	lwkt_rele(thread_t);
void	lwkt_setpri(thread_t, int);
void	lwkt_setpri_self(int);
void	lwkt_set_comm(thread_t, const char *, ...) __printflike(2, 3);
void	lwkt_setcpu_self(struct globaldata *);
void	lwkt_migratecpu(int);
int	lwkt_send_ipiq3(struct globaldata *, ipifunc3_t, void *, int);
void	lwkt_wait_ipiq(struct globaldata *, int);
void	lwkt_process_ipiq(void);
void	lwkt_synchronize_ipiqs(const char *);
void	lwkt_maybe_splz(thread_t);

#endif

#endif
