#ifndef _SYS_MSGPORT2_H_
#define _SYS_MSGPORT2_H_

#include <sys/systm.h>
#include <sys/msgport.h>

/*
 * The inline half of the API.  Each function is a place where an IPI may
 * strike, before it and after it, unless the caller is in a critical section.
 */
static __inline void
lwkt_initmsg(lwkt_msg_t msg, lwkt_port_t rport, int flags)
{
	ul_poll();
	msg->ms_flags = flags | MSGF_DONE;
	msg->ms_reply_port = rport;
}

static __inline void
lwkt_initmsg_abortable(lwkt_msg_t msg, lwkt_port_t rport, int flags,
    void (*abortfn)(lwkt_msg_t))
{
	lwkt_initmsg(msg, rport, flags | MSGF_ABORTABLE);
	msg->ms_abortfn = abortfn;
}

#if __DragonFly_version < 300600
static __inline int
lwkt_beginmsg(lwkt_port_t port, lwkt_msg_t msg)
{
	int error;

	ul_poll();
	error = port->mp_putport(port, msg);
	ul_poll();
	return (error);
}
#endif

static __inline void
lwkt_replymsg(lwkt_msg_t msg, int error)
{
	lwkt_port_t rport = msg->ms_reply_port;

	ul_poll();
	msg->ms_error = error;
	rport->mp_replyport(rport, msg);
	ul_poll();
}

static __inline void *
lwkt_getport(lwkt_port_t port)
{
	void *msg;

	ul_poll();
	msg = port->mp_getport(port);
	ul_poll();
	return (msg);
}

static __inline void *
lwkt_waitport(lwkt_port_t port, int flags)
{
	void *msg;

	ul_poll();
	msg = port->mp_waitport(port, flags);
	ul_poll();
	return (msg);
}

static __inline int
lwkt_waitmsg(lwkt_msg_t msg, int flags)
{
	int error;

	ul_poll();
	error = msg->ms_reply_port->mp_waitmsg(msg, flags);
	ul_poll();
	return (error);
}

static __inline int
lwkt_checkmsg(lwkt_msg_t msg)
{
	ul_poll();
	return (msg->ms_flags & MSGF_DONE);
}

#if __DragonFly_version >= 300400
static __inline int
lwkt_dropmsg(lwkt_msg_t msg)
{
	lwkt_port_t port;
	int error = ENOENT;

	ul_poll();
	KKASSERT(msg->ms_flags & MSGF_DROPABLE);
	port = msg->ms_target_port;
	if (port != NULL)
		error = port->mp_dropmsg(port, msg);
	ul_poll();
	return (error);
}
#else
static __inline void
lwkt_dropmsg(lwkt_msg_t msg)
{
	lwkt_port_t port;

	ul_poll();
	KKASSERT((msg->ms_flags & (MSGF_DROPABLE|MSGF_DONE|MSGF_QUEUED)) ==
	    (MSGF_DROPABLE|MSGF_QUEUED));
	port = msg->ms_target_port;
	port->mp_dropmsg(port, msg);
	ul_poll();
}
#endif

#if __DragonFly_version >= 400000
static __inline void
lwkt_setmsg_receipt(lwkt_msg_t msg, void (*receiptfn)(lwkt_msg_t, lwkt_port_t))
{
	msg->ms_receiptfn = receiptfn;
	msg->ms_flags |= MSGF_RECEIPT;
}
#endif

#endif
