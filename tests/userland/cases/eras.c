/* What a module sees of the era: see docs/eras.md. */

static struct lwkt_port port, reply;
static struct lwkt_msg msg;
static int critical;

static void
init_spin(lwkt_port_t p, struct thread *td __unused)
{
#if __DragonFly_version >= 300600
	lwkt_initport_spin(p, td, FALSE);
#elif __DragonFly_version >= 300200
	lwkt_initport_spin(p, td);
#else
	lwkt_initport_spin(p);
#endif
}

static int
see_critical(lwkt_port_t p __unused, lwkt_msg_t m __unused)
{
	critical = crit_test(curthread) != 0;
	return (0);
}

static void
forward_one(void *arg __unused)
{
	lwkt_msg_t m = lwkt_waitport(&curthread->td_msgport, 0);

	lwkt_forwardmsg(&port, m);
}

/* A dropable message, put on a port. */
static void
put_dropable(lwkt_port_t p)
{
	lwkt_initport_replyonly_null(&reply);
	lwkt_initmsg(&msg, &reply, MSGF_DROPABLE);
	lwkt_sendmsg(p, &msg);
}

CASE(the_kernel_tells_the_version_of_its_headers)
{
	CHECK(osreldate == __DragonFly_version);
}

CASE(a_queued_message_can_be_dropped)
{
	lwkt_initport_thread(&port, curthread);
	put_dropable(&port);
	CHECK(msg.ms_flags & MSGF_QUEUED);
	(void)lwkt_dropmsg(&msg);
	CHECK(FLAGS(&msg) == (MSGF_DONE | MSGF_DROPABLE));
	CHECK(lwkt_getport(&port) == NULL);
}

CASE(a_handler_is_forwarded_to_in_a_critical_section_before_3_4)
{
	struct thread *td = start(1, forward_one, NULL);

	lwkt_initport_putonly(&port, see_critical);
	lwkt_initmsg(&msg, &curthread->td_msgport, 0);
	CHECK(lwkt_domsg(&td->td_msgport, &msg, 0) == 0);
	CHECK(critical == (__DragonFly_version < 300400));
	finish();
}

CASE(a_taken_message_can_be_dropped_since_3_4)
{
	lwkt_initport_thread(&port, curthread);
	put_dropable(&port);
	CHECK(lwkt_getport(&port) == &msg);
#if __DragonFly_version >= 300400
	CHECK(lwkt_dropmsg(&msg) == ENOENT);
#else
	lwkt_dropmsg(&msg);
#endif
}

CASE(a_spin_port_can_be_dropped_from_since_3_2)
{
	init_spin(&port, curthread);
	put_dropable(&port);
	(void)lwkt_dropmsg(&msg);
	CHECK(FLAGS(&msg) == (MSGF_DONE | MSGF_DROPABLE));
}

CASE(a_spin_port_without_an_owner_cannot_be_dropped_from)
{
	init_spin(&port, NULL);
	put_dropable(&port);
	(void)lwkt_dropmsg(&msg);
}
