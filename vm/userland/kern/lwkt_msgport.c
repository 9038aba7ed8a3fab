/*
 * Message ports, as DragonFly's kernels have them with INVARIANTS: those of the
 * release that __DragonFly_version names, where releases differ.
 *
 * A port kind is a table of seven operations.  The three kinds that queue
 * differ in what guards the queue: a thread port is touched on its owner's
 * CPU only, in a critical section, and what comes from elsewhere travels as an
 * IPI; a spin port has a spinlock; a serializer port relies on a serializer
 * that its callers hold.  The names of functions and the wording of
 * assertions are those that appear in a real kernel's panics.
 */

#include "kern_private.h"
#include <sys/msgport2.h>
#include <sys/serialize.h>
#include <sys/spinlock2.h>

struct kind {
	void	*(*getport)(lwkt_port_t);
	int	(*putport)(lwkt_port_t, lwkt_msg_t);
	int	(*waitmsg)(lwkt_msg_t, int);
	void	*(*waitport)(lwkt_port_t, int);
	void	(*replyport)(lwkt_port_t, lwkt_msg_t);
	ul_drop_t (*dropmsg)(lwkt_port_t, lwkt_msg_t);
};

/*
 * Flag updates that another CPU's may cross: the sender's, the receiver's and
 * an IPI's.  Not atomic_*_int(), which would let an IPI strike in between.
 */
static void
flags_set(lwkt_msg_t msg, int flags)
{
	msg->ms_flags |= flags;
}

static void
flags_clear(lwkt_msg_t msg, int flags)
{
	msg->ms_flags &= ~flags;
}

/*
 * The queues of a port.  Priority messages have their own, which goes first.
 */
static lwkt_msg_queue *
queue_of(lwkt_port_t port, lwkt_msg_t msg)
{
	return (msg->ms_flags & MSGF_PRIORITY ? &port->mp_msgq_prio :
	    &port->mp_msgq);
}

static lwkt_msg_t
first(lwkt_port_t port)
{
	lwkt_msg_t msg = TAILQ_FIRST(&port->mp_msgq_prio);

	return (msg != NULL ? msg : TAILQ_FIRST(&port->mp_msgq));
}

static void
append(lwkt_port_t port, lwkt_msg_t msg)
{
	flags_set(msg, MSGF_QUEUED);
	TAILQ_INSERT_TAIL(queue_of(port, msg), msg, ms_node);
#if __DragonFly_version >= 400000
	if (msg->ms_flags & MSGF_RECEIPT) {
		/* Once only, however often the message is forwarded. */
		flags_clear(msg, MSGF_RECEIPT);
		msg->ms_receiptfn(msg, port);
	}
#endif
}

static void
append_reply(lwkt_port_t port, lwkt_msg_t msg)
{
	append(port, msg);
	flags_set(msg, MSGF_REPLY | MSGF_DONE);
}

static void
unlink_msg(lwkt_port_t port, lwkt_msg_t msg)
{
	TAILQ_REMOVE(queue_of(port, msg), msg, ms_node);
	flags_clear(msg, MSGF_QUEUED);
}

/*
 * Take a message back that was put and not yet taken; else ENOENT.  Before 3.4
 * nobody looked, and nobody was told.
 */
static int
drop(lwkt_port_t port, lwkt_msg_t msg)
{
#if __DragonFly_version >= 300400
	if ((msg->ms_flags & (MSGF_QUEUED | MSGF_REPLY)) != MSGF_QUEUED)
		return (ENOENT);
#endif
	unlink_msg(port, msg);
	flags_set(msg, MSGF_DONE);
	return (0);
}

/*
 * Thread ports.  In a critical section on the owner's CPU nobody else touches
 * the port.
 */
static void
notify_owner(lwkt_port_t port)
{
	if (port->mp_flags & MSGPORTF_WAITING)
		lwkt_schedule(port->mpu_td);
}

static void
lwkt_thread_putport_remote(void *arg)
{
	lwkt_msg_t msg = arg;
	lwkt_port_t port = msg->ms_target_port;
	globaldata_t owner = port->mpu_td->td_gd;

	if (owner != mycpu) {
		/* The owner has moved on: follow it. */
		lwkt_send_ipiq(owner, lwkt_thread_putport_remote, msg);
		return;
	}
	KKASSERT(msg->ms_flags & MSGF_INTRANSIT);
	flags_clear(msg, MSGF_INTRANSIT);
	append(port, msg);
	notify_owner(port);
}

static int
lwkt_thread_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	globaldata_t owner;

	KKASSERT((msg->ms_flags & (MSGF_DONE | MSGF_REPLY)) == 0);
	msg->ms_target_port = port;
	crit_enter();
	owner = port->mpu_td->td_gd;
	if (owner == mycpu) {
		append(port, msg);
		notify_owner(port);
	} else {
		flags_set(msg, MSGF_INTRANSIT);
		lwkt_send_ipiq(owner, lwkt_thread_putport_remote, msg);
	}
	crit_exit();
	return (EASYNC);
}

static void
finish_reply(lwkt_port_t port, lwkt_msg_t msg)
{
	if (msg->ms_flags & MSGF_SYNC)
		flags_set(msg, MSGF_REPLY | MSGF_DONE);
	else
		append_reply(port, msg);
	notify_owner(port);
}

static void
lwkt_thread_replyport_remote(void *arg)
{
	lwkt_msg_t msg = arg;
	lwkt_port_t port = msg->ms_reply_port;
	globaldata_t owner = port->mpu_td->td_gd;

	if (owner != mycpu) {
		lwkt_send_ipiq(owner, lwkt_thread_replyport_remote, msg);
		return;
	}
	KKASSERT(msg->ms_flags & MSGF_INTRANSIT);
	flags_clear(msg, MSGF_INTRANSIT);
	finish_reply(port, msg);
}

static void
lwkt_thread_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	globaldata_t owner;

	KKASSERT((msg->ms_flags & (MSGF_DONE|MSGF_QUEUED|MSGF_INTRANSIT)) == 0);
	crit_enter();
	owner = port->mpu_td->td_gd;
	if (owner == mycpu) {
		finish_reply(port, msg);
	} else {
		flags_set(msg, MSGF_INTRANSIT | MSGF_REPLY);
		lwkt_send_ipiq(owner, lwkt_thread_replyport_remote, msg);
	}
	crit_exit();
}

static void *
lwkt_thread_getport(lwkt_port_t port)
{
	thread_t td = curthread;
	lwkt_msg_t msg;

	KKASSERT(port->mpu_td == curthread);
	crit_enter_quick(td);
	msg = first(port);
	if (msg != NULL)
		unlink_msg(port, msg);
	crit_exit_quick(td);
	return (msg);
}

static void
sleep_on(lwkt_port_t port, const char *wmesg, int flags)
{
	port->mp_flags |= MSGPORTF_WAITING;
	lwkt_sleep(wmesg, flags);
	port->mp_flags &= ~MSGPORTF_WAITING;
}

static void *
lwkt_thread_waitport(lwkt_port_t port, int flags)
{
	thread_t td = curthread;
	lwkt_msg_t msg;

	KKASSERT(port->mpu_td == td);
	crit_enter_quick(td);
	while ((msg = first(port)) == NULL)
		sleep_on(port, "waitport", flags);
	unlink_msg(port, msg);
	crit_exit_quick(td);
	return (msg);
}

static int
lwkt_thread_waitmsg(lwkt_msg_t msg, int flags)
{
	thread_t td = curthread;
	lwkt_port_t port = msg->ms_reply_port;

	KASSERT((msg->ms_flags & MSGF_DROPABLE) == 0,
	    ("can't wait dropable message"));
	crit_enter_quick(td);
	if ((msg->ms_flags & (MSGF_DONE | MSGF_QUEUED)) != MSGF_DONE) {
		KKASSERT(port->mpu_td == td);
		while ((msg->ms_flags & MSGF_DONE) == 0)
			sleep_on(port, "waitmsg", flags);
		if (msg->ms_flags & MSGF_QUEUED)
			unlink_msg(port, msg);
	}
	crit_exit_quick(td);
	return (msg->ms_error);
}

static ul_drop_t
lwkt_thread_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	thread_t td = curthread;
	int error;

	KASSERT(port->mpu_td == td, ("message could only be dropped in the "
	    "same thread as the message target port thread"));
	crit_enter_quick(td);
	error = drop(port, msg);
	crit_exit_quick(td);
	return ((ul_drop_t)error);
}

static const struct kind thread_kind = {
	lwkt_thread_getport, lwkt_thread_putport, lwkt_thread_waitmsg,
	lwkt_thread_waitport, lwkt_thread_replyport, lwkt_thread_dropmsg
};

/*
 * Spin and serializer ports.  Any number of threads may wait, on the port or
 * on one message; who wakes them takes the mark off, they put it on again.
 */
static int
take_mark(lwkt_port_t port)
{
	int marked = port->mp_flags & MSGPORTF_WAITING;

	port->mp_flags &= ~MSGPORTF_WAITING;
	return (marked);
}

static void *
lwkt_spin_getport(lwkt_port_t port)
{
	lwkt_msg_t msg;

	spin_lock(&port->mpu_spin);
	msg = first(port);
	if (msg != NULL)
		unlink_msg(port, msg);
	spin_unlock(&port->mpu_spin);
	return (msg);
}

static int
lwkt_spin_putport_only(lwkt_port_t port, lwkt_msg_t msg)
{
	int sleepers;

	KKASSERT((msg->ms_flags & (MSGF_DONE | MSGF_REPLY)) == 0);
	msg->ms_target_port = port;
	spin_lock(&port->mpu_spin);
	append(port, msg);
	sleepers = take_mark(port);
	spin_unlock(&port->mpu_spin);
	return (sleepers);
}

static int
lwkt_spin_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	if (lwkt_spin_putport_only(port, msg))
		wakeup(port);
	return (EASYNC);
}

static void
lwkt_spin_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	const void *sleepers = NULL;

	KKASSERT((msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == 0);
	spin_lock(&port->mpu_spin);
	if (msg->ms_flags & MSGF_SYNC) {
		if (msg->ms_flags & MSGF_WAITING)
			sleepers = msg;
		/* Last: once it is done the waiter may have taken it away. */
		msg->ms_flags = (msg->ms_flags & ~MSGF_WAITING) | MSGF_DONE |
		    MSGF_REPLY;
	} else {
		append_reply(port, msg);
		if (take_mark(port))
			sleepers = port;
	}
	spin_unlock(&port->mpu_spin);
	if (sleepers != NULL)
		wakeup(sleepers);
}

static void *
lwkt_spin_waitport(lwkt_port_t port, int flags)
{
	lwkt_msg_t msg;

	spin_lock(&port->mpu_spin);
	while ((msg = first(port)) == NULL) {
		port->mp_flags |= MSGPORTF_WAITING;
		ssleep(port, &port->mpu_spin, flags, "waitport", 0);
	}
	unlink_msg(port, msg);
	spin_unlock(&port->mpu_spin);
	return (msg);
}

static int
lwkt_spin_waitmsg(lwkt_msg_t msg, int flags)
{
	lwkt_port_t port = msg->ms_reply_port;

	KASSERT((msg->ms_flags & MSGF_DROPABLE) == 0,
	    ("can't wait dropable message"));
	spin_lock(&port->mpu_spin);
	while ((msg->ms_flags & MSGF_DONE) == 0) {
		if (msg->ms_flags & MSGF_SYNC) {
			flags_set(msg, MSGF_WAITING);
			ssleep(msg, &port->mpu_spin, flags, "waitmsg", 0);
		} else {
			port->mp_flags |= MSGPORTF_WAITING;
			ssleep(port, &port->mpu_spin, flags, "waitmsg", 0);
		}
	}
	if (msg->ms_flags & MSGF_QUEUED)
		unlink_msg(port, msg);
	spin_unlock(&port->mpu_spin);
	return (msg->ms_error);
}

static ul_drop_t
lwkt_spin_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	KASSERT(port->mpu_td == curthread, ("message could only be dropped in "
	    "the same thread as the message target port thread\n"));
	spin_lock(&port->mpu_spin);
	error = drop(port, msg);
	spin_unlock(&port->mpu_spin);
	return ((ul_drop_t)error);
}

static void *
lwkt_serialize_getport(lwkt_port_t port)
{
	lwkt_msg_t msg;

	ASSERT_SERIALIZED(port->mpu_serialize);
	msg = first(port);
	if (msg != NULL)
		unlink_msg(port, msg);
	return (msg);
}

static int
lwkt_serialize_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	KKASSERT((msg->ms_flags & (MSGF_DONE | MSGF_REPLY)) == 0);
	ASSERT_SERIALIZED(port->mpu_serialize);
	msg->ms_target_port = port;
	append(port, msg);
	if (take_mark(port))
		wakeup(port);
	return (EASYNC);
}

static void
lwkt_serialize_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	KKASSERT((msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == 0);
	ASSERT_SERIALIZED(port->mpu_serialize);
	if (msg->ms_flags & MSGF_SYNC) {
		flags_set(msg, MSGF_DONE | MSGF_REPLY);
		wakeup(msg);
	} else {
		append_reply(port, msg);
		if (take_mark(port))
			wakeup(port);
	}
}

static void *
lwkt_serialize_waitport(lwkt_port_t port, int flags)
{
	lwkt_msg_t msg;

	ASSERT_SERIALIZED(port->mpu_serialize);
	while ((msg = first(port)) == NULL) {
		port->mp_flags |= MSGPORTF_WAITING;
		zsleep(port, port->mpu_serialize, flags, "waitport", 0);
	}
	unlink_msg(port, msg);
	return (msg);
}

static int
lwkt_serialize_waitmsg(lwkt_msg_t msg, int flags)
{
	lwkt_port_t port = msg->ms_reply_port;

	KASSERT((msg->ms_flags & MSGF_DROPABLE) == 0,
	    ("can't wait dropable message"));
	if ((msg->ms_flags & (MSGF_DONE | MSGF_QUEUED)) == MSGF_DONE)
		return (msg->ms_error);
	ASSERT_SERIALIZED(port->mpu_serialize);
	while ((msg->ms_flags & MSGF_DONE) == 0) {
		if (msg->ms_flags & MSGF_SYNC) {
			zsleep(msg, port->mpu_serialize, flags, "waitmsg", 0);
		} else {
			port->mp_flags |= MSGPORTF_WAITING;
			zsleep(port, port->mpu_serialize, flags, "waitmsg", 0);
		}
	}
	if (msg->ms_flags & MSGF_QUEUED)
		unlink_msg(port, msg);
	return (msg->ms_error);
}

/*
 * What a port cannot do.
 */
static void *
lwkt_panic_getport(lwkt_port_t port)
{
	panic("lwkt_getport() illegal on port %p", (void *)port);
}

static int
lwkt_panic_putport(lwkt_port_t port, lwkt_msg_t msg)
{
	panic("lwkt_begin/do/sendmsg() illegal on port %p msg %p",
	    (void *)port, (void *)msg);
}

static int
lwkt_panic_waitmsg(lwkt_msg_t msg, int flags __unused)
{
	panic("port %p msg %p cannot be waited on",
	    (void *)msg->ms_reply_port, (void *)msg);
}

static void *
lwkt_panic_waitport(lwkt_port_t port, int flags __unused)
{
	panic("port %p cannot be waited on", (void *)port);
}

static void
lwkt_panic_replyport(lwkt_port_t port, lwkt_msg_t msg)
{
	panic("lwkt_replymsg() is illegal on port %p msg %p",
	    (void *)port, (void *)msg);
}

static ul_drop_t
lwkt_panic_dropmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	panic("lwkt_dropmsg() is illegal on port %p msg %p",
	    (void *)port, (void *)msg);
}

static void
lwkt_null_replyport(lwkt_port_t port __unused, lwkt_msg_t msg)
{
	flags_set(msg, MSGF_DONE | MSGF_REPLY);
}

static const struct kind spin_kind = {
	lwkt_spin_getport, lwkt_spin_putport, lwkt_spin_waitmsg,
	lwkt_spin_waitport, lwkt_spin_replyport, lwkt_spin_dropmsg
};

static const struct kind serialize_kind = {
	lwkt_serialize_getport, lwkt_serialize_putport, lwkt_serialize_waitmsg,
	lwkt_serialize_waitport, lwkt_serialize_replyport, lwkt_panic_dropmsg
};

static const struct kind panic_kind = {
	lwkt_panic_getport, lwkt_panic_putport, lwkt_panic_waitmsg,
	lwkt_panic_waitport, lwkt_panic_replyport, lwkt_panic_dropmsg
};

#if __DragonFly_version >= 300600
/*
 * Puts from the port's own CPU, by a pointer that nobody overrides.
 */
static int
lwkt_panic_putport_oncpu(lwkt_port_t port, lwkt_msg_t msg)
{
	panic("lwkt_begin_oncpu/sendmsg_oncpu() illegal on port %p msg %p",
	    (void *)port, (void *)msg);
}

static int
lwkt_spin_putport_oncpu(lwkt_port_t port, lwkt_msg_t msg)
{
	KASSERT(port->mp_cpuid == mycpuid,
	    ("cpu mismatch, can't do oncpu putport; port cpu%d, curcpu cpu%d",
	    port->mp_cpuid, mycpuid));
	if (lwkt_spin_putport_only(port, msg))
		wakeup_mycpu(port);
	return (EASYNC);
}

static void
init_oncpu(lwkt_port_t port, int (*putport)(lwkt_port_t, lwkt_msg_t), int cpu)
{
	port->mp_putport_oncpu = putport;
	port->mp_cpuid = cpu;
}
#else
#define init_oncpu(port, putport, cpu)	do { } while (0)
#endif

static void
init_as(lwkt_port_t port, const struct kind *kind)
{
	ul_poll();
	bzero(port, sizeof(*port));
	TAILQ_INIT(&port->mp_msgq);
	TAILQ_INIT(&port->mp_msgq_prio);
	port->mp_getport = kind->getport;
	port->mp_putport = kind->putport;
	port->mp_waitmsg = kind->waitmsg;
	port->mp_waitport = kind->waitport;
	port->mp_replyport = kind->replyport;
	port->mp_dropmsg = kind->dropmsg;
	init_oncpu(port, lwkt_panic_putport_oncpu, -1);
}

void
lwkt_initport_thread(lwkt_port_t port, thread_t td)
{
	init_as(port, &thread_kind);
	init_oncpu(port, lwkt_thread_putport, -1);
	port->mpu_td = td;
}

/* An owner came with 3.2, a CPU that the port belongs to with 3.6. */
void
ul_initport_spin(lwkt_port_t port, thread_t td __unused,
    int fixed_cpuid __unused)
{
	init_as(port, &spin_kind);
#if __DragonFly_version >= 300200
	port->mpu_td = td;
	if (td == NULL)
		port->mp_dropmsg = lwkt_panic_dropmsg;
#endif
#if __DragonFly_version >= 300600
	if (fixed_cpuid)
		init_oncpu(port, lwkt_spin_putport_oncpu,
		    (int)td->td_gd->gd_cpuid);
#endif
}

#if __DragonFly_version >= 300600
void
lwkt_initport_spin(lwkt_port_t port, thread_t td, boolean_t fixed_cpuid)
{
	ul_initport_spin(port, td, fixed_cpuid);
}
#elif __DragonFly_version >= 300200
void
lwkt_initport_spin(lwkt_port_t port, thread_t td)
{
	ul_initport_spin(port, td, 0);
}
#else
void
lwkt_initport_spin(lwkt_port_t port)
{
	ul_initport_spin(port, NULL, 0);
}
#endif

void
lwkt_initport_serialize(lwkt_port_t port, struct lwkt_serialize *slz)
{
	init_as(port, &serialize_kind);
	port->mpu_serialize = slz;
}

void
lwkt_initport_panic(lwkt_port_t port)
{
	init_as(port, &panic_kind);
}

void
lwkt_initport_replyonly_null(lwkt_port_t port)
{
	lwkt_initport_replyonly(port, lwkt_null_replyport);
}

void
lwkt_initport_replyonly(lwkt_port_t port,
    void (*replyport)(lwkt_port_t, lwkt_msg_t))
{
	init_as(port, &panic_kind);
	port->mp_replyport = replyport;
}

void
lwkt_initport_putonly(lwkt_port_t port, int (*putport)(lwkt_port_t, lwkt_msg_t))
{
	init_as(port, &panic_kind);
	port->mp_putport = putport;
}

/*
 * Sending.  Whatever the putport returns but EASYNC, the message has been
 * dealt with at once and the sender completes it.
 */
static void
_lwkt_sendmsg_prepare(lwkt_port_t port __unused, lwkt_msg_t msg)
{
	KKASSERT(msg->ms_reply_port != NULL &&
	    (msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == MSGF_DONE);
	flags_clear(msg, MSGF_DONE | MSGF_REPLY | MSGF_SYNC);
}

static int
begin(lwkt_port_t port, lwkt_msg_t msg,
    int (*putport)(lwkt_port_t, lwkt_msg_t))
{
	ul_poll();
	return (putport(port, msg));
}

static int
put(lwkt_port_t port, lwkt_msg_t msg,
    int (*putport)(lwkt_port_t, lwkt_msg_t))
{
	int error = begin(port, msg, putport);

	if (error != EASYNC)
		lwkt_replymsg(msg, error);
	ul_poll();
	return (error);
}

void
lwkt_sendmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	_lwkt_sendmsg_prepare(port, msg);
	put(port, msg, port->mp_putport);
}

#if __DragonFly_version >= 300600
void
lwkt_sendmsg_oncpu(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	_lwkt_sendmsg_prepare(port, msg);
	put(port, msg, port->mp_putport_oncpu);
}

void
lwkt_sendmsg_prepare(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	_lwkt_sendmsg_prepare(port, msg);
}

void
lwkt_sendmsg_start(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	put(port, msg, port->mp_putport);
}

#if __DragonFly_version >= 500000
void
lwkt_sendmsg_start_oncpu(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	put(port, msg, port->mp_putport_oncpu);
}
#endif
#elif __DragonFly_version >= 300400
void
lwkt_sendmsg_stage1(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	_lwkt_sendmsg_prepare(port, msg);
}

void
lwkt_sendmsg_stage2(lwkt_port_t port, lwkt_msg_t msg)
{
	ul_poll();
	put(port, msg, port->mp_putport);
}
#endif

int
lwkt_domsg(lwkt_port_t port, lwkt_msg_t msg, int flags)
{
	int error;

	ul_poll();
	KKASSERT(msg->ms_reply_port != NULL &&
	    (msg->ms_flags & (MSGF_DONE|MSGF_QUEUED)) == MSGF_DONE);
	msg->ms_flags = (msg->ms_flags & ~(MSGF_DONE | MSGF_REPLY)) | MSGF_SYNC;
	error = begin(port, msg, port->mp_putport);
	if (error == EASYNC)
		error = lwkt_waitmsg(msg, flags);
	else
		flags_set(msg, MSGF_DONE | MSGF_REPLY);
	ul_poll();
	return (error);
}

int
lwkt_forwardmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	ul_poll();
#if __DragonFly_version < 300400
	crit_enter();
#endif
	KKASSERT((msg->ms_flags & (MSGF_QUEUED|MSGF_DONE|MSGF_REPLY)) == 0);
	error = put(port, msg, port->mp_putport);
#if __DragonFly_version < 300400
	crit_exit();
#endif
	return (error);
}

/* In a critical section, so that no reply slips in before the function. */
void
lwkt_abortmsg(lwkt_msg_t msg)
{
	ul_poll();
	crit_enter();
	if ((msg->ms_flags & (MSGF_ABORTABLE | MSGF_DONE | MSGF_REPLY)) ==
	    MSGF_ABORTABLE)
		msg->ms_abortfn(msg);
	crit_exit();
}
