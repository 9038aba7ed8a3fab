/* What each kind of port does, one thread or two at a time. */

static struct lwkt_port port, reply, other;
static struct lwkt_msg a, b, c;
static struct lwkt_serialize slz;
static int calls;
static int handler_result;
static int said;

static int
sync_putport(lwkt_port_t p __unused, lwkt_msg_t m __unused)
{
	atomic_add_int(&calls, 1);
	return (handler_result);
}

static void
done_replyport(lwkt_port_t rport __unused, lwkt_msg_t m)
{
	atomic_add_int(&calls, 1);
	m->ms_flags |= MSGF_DONE | MSGF_REPLY;
}

static void
idle_replyport(lwkt_port_t rport __unused, lwkt_msg_t m __unused)
{
	atomic_add_int(&calls, 1);
}

static void
count_abort(lwkt_msg_t m __unused)
{
	CHECK(curthread->td_critcount > 0);
	atomic_add_int(&calls, 1);
}

static void
count_receipt(lwkt_msg_t m, lwkt_port_t p)
{
	CHECK(m->ms_flags & MSGF_QUEUED);
	CHECK(p != NULL && curthread->td_critcount > 0);
	atomic_add_int(&calls, 1);
}

/* Take a message from `port' and reply to it with 7. */
static void
serve_one(void *arg)
{
	lwkt_port_t p = arg != NULL ? arg : &curthread->td_msgport;
	lwkt_msg_t m = lwkt_waitport(p, 0);

	lwkt_replymsg(m, 7);
}

CASE(initmsg_assigns_flags)
{
	lwkt_initmsg(&a, &reply, MSGF_USER0);
	CHECK(a.ms_flags == (MSGF_DONE | MSGF_USER0));
	a.ms_error = 5;
	a.ms_target_port = &port;
	lwkt_initmsg(&a, &reply, MSGF_USER1);
	CHECK(a.ms_flags == (MSGF_DONE | MSGF_USER1));
	CHECK(a.ms_error == 5 && a.ms_target_port == &port);
	lwkt_initmsg_abortable(&a, &reply, 0, count_abort);
	CHECK(a.ms_flags == (MSGF_DONE | MSGF_ABORTABLE));
}

CASE(spin_port_is_a_queue_with_a_priority_class)
{
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_spin(&reply, NULL, FALSE);
	CHECK(lwkt_getport(&port) == NULL);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_initmsg(&b, &reply, 0);
	lwkt_initmsg(&c, &reply, MSGF_PRIORITY);
	lwkt_sendmsg(&port, &a);
	lwkt_sendmsg(&port, &b);
	lwkt_sendmsg(&port, &c);
	CHECK(FLAGS(&a) == MSGF_QUEUED && a.ms_target_port == &port);
	CHECK(!lwkt_checkmsg(&a));
	CHECK(lwkt_getport(&port) == &c);
	CHECK(lwkt_waitport(&port, 0) == &a);
	CHECK(FLAGS(&a) == 0);
	CHECK(lwkt_getport(&port) == &b);
	CHECK(lwkt_getport(&port) == NULL);
	lwkt_replymsg(&b, 3);
	lwkt_replymsg(&a, 4);
	lwkt_replymsg(&c, 5);
	CHECK(FLAGS(&b) == (MSGF_DONE | MSGF_REPLY | MSGF_QUEUED));
	CHECK(lwkt_checkmsg(&b) && b.ms_error == 3);
	/* waitmsg takes its own and leaves the others where they are. */
	CHECK(lwkt_waitmsg(&a, 0) == 4);
	CHECK(lwkt_getport(&reply) == &c);
	CHECK(lwkt_getport(&reply) == &b);
	CHECK(FLAGS(&b) == (MSGF_DONE | MSGF_REPLY));
	CHECK(lwkt_waitmsg(&b, 0) == 3);
}

CASE(thread_port_across_cpus_replies_asynchronously)
{
	lwkt_port_t mine = &curthread->td_msgport;
	struct thread *td = start(0, serve_one, NULL);

	lwkt_initmsg(&a, mine, 0);
	lwkt_sendmsg(&td->td_msgport, &a);
	CHECK(lwkt_waitport(mine, 0) == &a);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY) && a.ms_error == 7);
	CHECK(lwkt_getport(mine) == NULL);
	finish();
}

CASE(domsg_across_cpus_returns_the_reply)
{
	struct thread *td = start(0, serve_one, NULL);

	lwkt_initmsg(&a, &curthread->td_msgport, 0);
	CHECK(lwkt_domsg(&td->td_msgport, &a, 0) == 7);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY | MSGF_SYNC));
	CHECK(lwkt_getport(&curthread->td_msgport) == NULL);
	finish();
}

CASE(domsg_on_one_cpu_returns_the_reply)
{
	struct thread *td = start(mycpuid, serve_one, NULL);

	lwkt_initmsg(&a, &curthread->td_msgport, 0);
	CHECK(lwkt_domsg(&td->td_msgport, &a, 0) == 7);
	finish();
}

CASE(domsg_to_a_spin_port_returns_the_reply)
{
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_spin(&reply, NULL, FALSE);
	start(1, serve_one, &port);
	lwkt_initmsg(&a, &reply, 0);
	CHECK(lwkt_domsg(&port, &a, 0) == 7);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY | MSGF_SYNC));
	finish();
}

static void
serve_serialized(void *arg __unused)
{
	lwkt_msg_t m;

	lwkt_serialize_enter(&slz);
	m = lwkt_waitport(&port, 0);
	lwkt_replymsg(m, 7);
	lwkt_serialize_exit(&slz);
}

CASE(domsg_within_one_serializer_returns_the_reply)
{
	lwkt_serialize_init(&slz);
	lwkt_initport_serialize(&port, &slz);
	lwkt_initport_serialize(&reply, &slz);
	start(1, serve_serialized, NULL);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_serialize_enter(&slz);
	CHECK(lwkt_domsg(&port, &a, 0) == 7);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY | MSGF_SYNC));
	lwkt_initmsg(&b, &reply, 0);
	lwkt_sendmsg(&port, &b);
	CHECK(lwkt_getport(&port) == &b);
	lwkt_replymsg(&b, 2);
	CHECK(lwkt_waitport(&reply, 0) == &b);
	lwkt_serialize_exit(&slz);
	finish();
}

CASE(synchronous_putport_is_replied_to_by_sendmsg)
{
	calls = 0;
	handler_result = 3;
	lwkt_initport_putonly(&port, sync_putport);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_sendmsg(&port, &a);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY | MSGF_QUEUED));
	CHECK(a.ms_error == 3 && calls == 1);
	CHECK(lwkt_getport(&reply) == &a);
}

CASE(synchronous_putport_and_domsg_queue_nothing)
{
	handler_result = 3;
	lwkt_initport_putonly(&port, sync_putport);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, 0);
	a.ms_error = 9;
	CHECK(lwkt_domsg(&port, &a, 0) == 3);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY | MSGF_SYNC));
	CHECK(lwkt_getport(&reply) == NULL);
	/* The handler's value does not reach the message. */
	CHECK(lwkt_waitmsg(&a, 0) == 9);
}

CASE(putonly_port_takes_a_done_message_directly)
{
	calls = 0;
	handler_result = 1;
	lwkt_initport_putonly(&port, sync_putport);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, 0);
	CHECK(port.mp_putport(&port, &a) == 1 && calls == 1);
}

CASE(null_reply_port_checks_nothing)
{
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_replyonly_null(&reply);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_sendmsg(&port, &a);
	CHECK(lwkt_getport(&port) == &a);
	lwkt_replymsg(&a, 1);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY) && a.ms_error == 1);
	lwkt_replymsg(&a, 2);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_REPLY) && a.ms_error == 2);
}

CASE(replyonly_port_leaves_done_to_its_function)
{
	calls = 0;
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_replyonly(&reply, idle_replyport);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_sendmsg(&port, &a);
	lwkt_getport(&port);
	lwkt_replymsg(&a, 6);
	CHECK(calls == 1 && a.ms_error == 6 && !lwkt_checkmsg(&a));
	lwkt_initport_replyonly(&reply, done_replyport);
	lwkt_replymsg(&a, 8);
	CHECK(calls == 2 && a.ms_error == 8 && lwkt_checkmsg(&a));
}

CASE(forward_keeps_the_reply_port)
{
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_spin(&other, NULL, FALSE);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_sendmsg(&port, &a);
	CHECK(lwkt_getport(&port) == &a);
	CHECK(lwkt_forwardmsg(&other, &a) == EASYNC);
	CHECK(a.ms_target_port == &other && FLAGS(&a) == MSGF_QUEUED);
	CHECK(lwkt_getport(&other) == &a);
	handler_result = 5;
	lwkt_initport_putonly(&port, sync_putport);
	CHECK(lwkt_forwardmsg(&port, &a) == 5);
	CHECK(a.ms_target_port == &other);
	CHECK(lwkt_getport(&reply) == &a && a.ms_error == 5);
}

CASE(abort_reaches_only_what_is_under_way)
{
	calls = 0;
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg_abortable(&a, &reply, 0, count_abort);
	lwkt_abortmsg(&a);
	CHECK(calls == 0);
	lwkt_sendmsg(&port, &a);
	lwkt_abortmsg(&a);
	CHECK(calls == 1);
	lwkt_getport(&port);
	lwkt_abortmsg(&a);
	CHECK(calls == 2 && FLAGS(&a) == MSGF_ABORTABLE);
	lwkt_replymsg(&a, 0);
	lwkt_abortmsg(&a);
	CHECK(calls == 2);
	lwkt_initmsg(&b, &reply, 0);
	lwkt_sendmsg(&port, &b);
	lwkt_abortmsg(&b);
	CHECK(calls == 2);
}

CASE(drop_takes_back_what_is_queued)
{
	lwkt_port_t mine = &curthread->td_msgport;

	lwkt_initport_spin(&port, curthread, FALSE);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, MSGF_DROPABLE);
	a.ms_target_port = NULL;
	CHECK(lwkt_dropmsg(&a) == ENOENT);
	lwkt_sendmsg(&port, &a);
	CHECK(lwkt_dropmsg(&a) == 0);
	CHECK(FLAGS(&a) == (MSGF_DONE | MSGF_DROPABLE));
	CHECK(a.ms_target_port == &port && lwkt_getport(&port) == NULL);
	lwkt_sendmsg(mine, &a);
	CHECK(lwkt_dropmsg(&a) == 0);
	lwkt_sendmsg(mine, &a);
	CHECK(lwkt_getport(mine) == &a);
	CHECK(lwkt_dropmsg(&a) == ENOENT);
	lwkt_replymsg(&a, 0);
	CHECK(lwkt_dropmsg(&a) == ENOENT);
}

CASE(receipt_is_given_once)
{
	calls = 0;
	lwkt_initport_thread(&port, curthread);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_setmsg_receipt(&a, count_receipt);
	lwkt_sendmsg(&port, &a);
	CHECK(calls == 1);
	CHECK(lwkt_getport(&port) == &a);
	CHECK(lwkt_forwardmsg(&port, &a) == EASYNC && calls == 1);
	CHECK(lwkt_getport(&port) == &a);
	lwkt_replymsg(&a, 0);
	CHECK(calls == 1);
}

CASE(initport_loses_what_was_queued)
{
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_spin(&reply, NULL, FALSE);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_sendmsg(&port, &a);
	lwkt_initport_spin(&port, NULL, FALSE);
	CHECK(lwkt_getport(&port) == NULL);
}

/* The receiver's CPU is in a critical section while both messages come. */
static void
receive_late(void *arg __unused)
{
	crit_enter();
	atomic_store_rel_int(&said, 1);
	await(&said, 2);
	CHECK(lwkt_getport(&port) == &b);
	CHECK(lwkt_getport(&curthread->td_msgport) == NULL);
	crit_exit();
	CHECK(lwkt_getport(&curthread->td_msgport) == &a);
}

CASE(a_spin_port_overtakes_an_ipi_under_way)
{
	struct thread *td;

	said = 0;
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_replyonly_null(&reply);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_initmsg(&b, &reply, 0);
	td = start(0, receive_late, NULL);
	await(&said, 1);
	lwkt_sendmsg(&td->td_msgport, &a);
	lwkt_sendmsg(&port, &b);
	atomic_store_rel_int(&said, 2);
	finish();
}

static void
drop_in_flight(void *arg __unused)
{
	crit_enter();
	atomic_store_rel_int(&said, 1);
	await(&said, 2);
	CHECK(lwkt_dropmsg(&a) == ENOENT);
	crit_exit();
	CHECK(lwkt_getport(&curthread->td_msgport) == &a);
}

CASE(drop_misses_a_put_in_flight)
{
	struct thread *td;

	said = 0;
	lwkt_initport_replyonly_null(&reply);
	lwkt_initmsg(&a, &reply, MSGF_DROPABLE);
	td = start(0, drop_in_flight, NULL);
	await(&said, 1);
	lwkt_sendmsg(&td->td_msgport, &a);
	CHECK(a.ms_flags & MSGF_INTRANSIT);
	atomic_store_rel_int(&said, 2);
	finish();
}

static void
move_and_receive(void *arg __unused)
{
	crit_enter();
	atomic_store_rel_int(&said, 1);
	await(&said, 2);
	lwkt_migratecpu(1);
	crit_exit();
	CHECK(mycpuid == 1);
	CHECK(lwkt_waitport(&curthread->td_msgport, 0) == &a);
}

CASE(a_put_chases_a_thread_that_moved)
{
	struct thread *td;

	said = 0;
	lwkt_initport_replyonly_null(&reply);
	lwkt_initmsg(&a, &reply, 0);
	td = start(0, move_and_receive, NULL);
	await(&said, 1);
	lwkt_sendmsg(&td->td_msgport, &a);
	atomic_store_rel_int(&said, 2);
	finish();
}

/* Many receivers on one spin port: each message reaches exactly one. */
#define MANY	500

static struct lwkt_msg many[MANY];
static int taken[MANY];

static void
receive_many(void *arg __unused)
{
	lwkt_msg_t m;

	while ((m = lwkt_waitport(&port, 0)) != &a) {
		atomic_add_int(&taken[m - many], 1);
		lwkt_replymsg(m, 0);
	}
	lwkt_forwardmsg(&port, m);
}

CASE(each_message_reaches_exactly_one_receiver)
{
	int n;

	bzero(taken, sizeof(taken));
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initport_replyonly_null(&reply);
	for (n = 0; n < 4; ++n)
		start(n, receive_many, NULL);
	for (n = 0; n < MANY; ++n) {
		lwkt_initmsg(&many[n], &reply, 0);
		lwkt_sendmsg(&port, &many[n]);
	}
	lwkt_initmsg(&a, &reply, 0);
	lwkt_sendmsg(&port, &a);
	finish();
	for (n = 0; n < MANY; ++n)
		CHECK(taken[n] == 1);
	CHECK(lwkt_getport(&port) == &a);
}

static void
serve_one_held(void *arg)
{
	serve_one(arg);
	lwkt_hold(curthread);
}

CASE(the_spin_port_of_a_thread_that_is_fixed_to_its_cpu_is_fixed_too)
{
	struct thread *td;

	lwkt_initport_replyonly_null(&reply);
	lwkt_initmsg(&a, &reply, 0);
	lwkt_create(serve_one_held, NULL, &td, NULL,
	    TDF_FORCE_SPINPORT | TDF_FIXEDCPU, mycpuid, "fixed");
	CHECK(td->td_msgport.mp_cpuid == mycpuid);
	lwkt_sendmsg_oncpu(&td->td_msgport, &a);
	reap(td);
	CHECK(a.ms_error == 7);
}
