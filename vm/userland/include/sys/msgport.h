#ifndef _SYS_MSGPORT_H_
#define _SYS_MSGPORT_H_

#include <sys/queue.h>
#include <sys/spinlock.h>
#include <machine/stdint.h>

struct lwkt_msg;
struct lwkt_port;
struct lwkt_serialize;
struct thread;

typedef struct lwkt_msg		*lwkt_msg_t;
typedef struct lwkt_port	*lwkt_port_t;

typedef TAILQ_HEAD(lwkt_msg_queue, lwkt_msg) lwkt_msg_queue;

/* ms_flags is _Atomic: lwkt_checkmsg() may look from anywhere, at any time. */
typedef struct lwkt_msg {
	TAILQ_ENTRY(lwkt_msg) ms_node;
	lwkt_port_t	ms_target_port;
	lwkt_port_t	ms_reply_port;
	void		(*ms_abortfn)(struct lwkt_msg *);
	_Atomic int	ms_flags;
	int		ms_error;
	union {
		void		*ms_resultp;
		int		ms_result;
		long		ms_lresult;
		int		ms_fds[2];
		__int32_t	ms_result32;
		__int64_t	ms_result64;
		__off_t		ms_offset;
	} u;
	void		(*ms_receiptfn)(struct lwkt_msg *, lwkt_port_t);
} lwkt_msg;

#define MSGF_DONE	0x0001	/* complete, or not sent yet */
#define MSGF_REPLY	0x0002	/* has been replied to */
#define MSGF_QUEUED	0x0004	/* on some port's queue */
#define MSGF_SYNC	0x0008	/* its sender waits for it, not for a port */
#define MSGF_INTRANSIT	0x0010	/* under way in an IPI */
#define MSGF_WAITING	0x0020	/* somebody sleeps on the message */
#define MSGF_DROPABLE	0x0040	/* may be dropped */
#define MSGF_ABORTABLE	0x0080	/* ms_abortfn is valid */
#define MSGF_PRIORITY	0x0100	/* goes before those that are not */
#define MSGF_RECEIPT	0x0200	/* ms_receiptfn is due */

#define MSGF_USER0	0x00010000
#define MSGF_USER1	0x00020000
#define MSGF_USER2	0x00040000
#define MSGF_USER3	0x00080000

typedef struct lwkt_port {
	lwkt_msg_queue	mp_msgq;
	lwkt_msg_queue	mp_msgq_prio;
	int		mp_flags;
	int		mp_cpuid;
	union {
		struct spinlock	spin;
		struct lwkt_serialize *serialize;
		void	*data;
	} mp_u;
	struct thread	*mpu_td;
	void		*(*mp_getport)(lwkt_port_t);
	int		(*mp_putport)(lwkt_port_t, lwkt_msg_t);
	int		(*mp_waitmsg)(lwkt_msg_t, int);
	void		*(*mp_waitport)(lwkt_port_t, int);
	void		(*mp_replyport)(lwkt_port_t, lwkt_msg_t);
	int		(*mp_dropmsg)(lwkt_port_t, lwkt_msg_t);
	int		(*mp_putport_oncpu)(lwkt_port_t, lwkt_msg_t);
} lwkt_port;

#ifdef _KERNEL

#include <sys/types.h>

#define mpu_spin	mp_u.spin
#define mpu_serialize	mp_u.serialize
#define mpu_data	mp_u.data

#define MSGPORTF_WAITING	0x0001	/* somebody sleeps on the port */

void	lwkt_initport_thread(lwkt_port_t, struct thread *);
void	lwkt_initport_spin(lwkt_port_t, struct thread *, boolean_t);
void	lwkt_initport_serialize(lwkt_port_t, struct lwkt_serialize *);
void	lwkt_initport_panic(lwkt_port_t);
void	lwkt_initport_replyonly_null(lwkt_port_t);
void	lwkt_initport_replyonly(lwkt_port_t,
	    void (*)(lwkt_port_t, lwkt_msg_t));
void	lwkt_initport_putonly(lwkt_port_t, int (*)(lwkt_port_t, lwkt_msg_t));

void	lwkt_sendmsg(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_oncpu(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_prepare(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_start(lwkt_port_t, lwkt_msg_t);
void	lwkt_sendmsg_start_oncpu(lwkt_port_t, lwkt_msg_t);
int	lwkt_domsg(lwkt_port_t, lwkt_msg_t, int);
int	lwkt_forwardmsg(lwkt_port_t, lwkt_msg_t);
void	lwkt_abortmsg(lwkt_msg_t);

#endif

#endif
