/* One case for each way to panic; the comment names its class. */

static struct lwkt_port port, reply;
static struct lwkt_msg msg;
static struct lwkt_serialize slz;

static void
replyport_of_mine(lwkt_port_t rport __unused, lwkt_msg_t m)
{
	m->ms_flags |= MSGF_DONE | MSGF_REPLY;
}

static int
putport_of_mine(lwkt_port_t p __unused, lwkt_msg_t m __unused)
{
	return (EASYNC);
}

static void
setup(void)
{
	lwkt_initport_spin(&port, curthread, FALSE);
	lwkt_initport_spin(&reply, curthread, FALSE);
	lwkt_initmsg(&msg, &reply, 0);
	lwkt_serialize_init(&slz);
}

static void
sleep_for_ever(void *arg __unused)
{
	tsleep(&slz, 0, "ever", 0);
}

CASE(getport_on_a_panic_port) /* panics: getport-illegal */
{
	lwkt_initport_panic(&port);
	lwkt_getport(&port);
}

CASE(getport_on_a_replyonly_port) /* panics: getport-illegal */
{
	lwkt_initport_replyonly(&port, replyport_of_mine);
	lwkt_getport(&port);
}

CASE(getport_on_a_putonly_port) /* panics: getport-illegal */
{
	lwkt_initport_putonly(&port, putport_of_mine);
	lwkt_getport(&port);
}

CASE(send_to_a_panic_port) /* panics: putport-illegal */
{
	setup();
	lwkt_initport_panic(&port);
	lwkt_sendmsg(&port, &msg);
}

CASE(domsg_to_a_null_port) /* panics: putport-illegal */
{
	setup();
	lwkt_initport_replyonly_null(&port);
	lwkt_domsg(&port, &msg, 0);
}

CASE(waitmsg_via_a_null_port) /* panics: waitmsg-illegal */
{
	setup();
	lwkt_initport_replyonly_null(&reply);
	lwkt_waitmsg(&msg, 0);
}

CASE(domsg_with_a_replyonly_port_to_a_queue) /* panics: waitmsg-illegal */
{
	setup();
	lwkt_initport_replyonly(&reply, replyport_of_mine);
	lwkt_domsg(&port, &msg, 0);
}

CASE(waitport_on_a_putonly_port) /* panics: waitport-illegal */
{
	lwkt_initport_putonly(&port, putport_of_mine);
	lwkt_waitport(&port, 0);
}

CASE(reply_to_a_putonly_port) /* panics: replymsg-illegal */
{
	setup();
	lwkt_initport_putonly(&reply, putport_of_mine);
	lwkt_replymsg(&msg, 0);
}

CASE(drop_on_a_serializer_port) /* panics: dropmsg-illegal */
{
	setup();
	lwkt_initport_serialize(&port, &slz);
	lwkt_initmsg(&msg, &reply, MSGF_DROPABLE);
	msg.ms_target_port = &port;
	lwkt_dropmsg(&msg);
}

CASE(drop_on_a_spin_port_without_an_owner) /* panics: dropmsg-illegal */
{
	setup();
	lwkt_initport_spin(&port, NULL, FALSE);
	lwkt_initmsg(&msg, &reply, MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	lwkt_dropmsg(&msg);
}

CASE(send_twice) /* panics: send-not-idle */
{
	setup();
	lwkt_sendmsg(&port, &msg);
	lwkt_sendmsg(&port, &msg);
}

CASE(domsg_of_what_was_sent) /* panics: send-not-idle */
{
	setup();
	lwkt_sendmsg(&port, &msg);
	lwkt_domsg(&port, &msg, 0);
}

CASE(send_without_a_reply_port) /* panics: send-not-idle */
{
	setup();
	lwkt_initmsg(&msg, NULL, 0);
	lwkt_sendmsg(&port, &msg);
}

CASE(forward_of_what_was_never_sent) /* panics: forward-not-held */
{
	setup();
	lwkt_forwardmsg(&port, &msg);
}

CASE(forward_while_it_is_queued) /* panics: forward-not-held */
{
	setup();
	lwkt_sendmsg(&port, &msg);
	lwkt_forwardmsg(&port, &msg);
}

CASE(put_of_a_done_message_on_a_thread_port) /* panics: put-done */
{
	setup();
	curthread->td_msgport.mp_putport(&curthread->td_msgport, &msg);
}

CASE(put_of_a_done_message_on_a_spin_port) /* panics: put-done */
{
	setup();
	port.mp_putport(&port, &msg);
}

CASE(put_of_a_done_message_on_a_serializer_port) /* panics: put-done */
{
	setup();
	lwkt_initport_serialize(&port, &slz);
	port.mp_putport(&port, &msg);
}

CASE(second_reply_to_a_thread_port) /* panics: reply-not-held */
{
	setup();
	lwkt_initmsg(&msg, &curthread->td_msgport, 0);
	lwkt_sendmsg(&port, &msg);
	lwkt_getport(&port);
	lwkt_replymsg(&msg, 0);
	lwkt_replymsg(&msg, 0);
}

CASE(second_reply_to_a_spin_port) /* panics: reply-not-held */
{
	setup();
	lwkt_sendmsg(&port, &msg);
	lwkt_getport(&port);
	lwkt_replymsg(&msg, 0);
	lwkt_replymsg(&msg, 0);
}

CASE(reply_to_a_serializer_port_while_queued) /* panics: reply-not-held */
{
	setup();
	lwkt_initport_serialize(&reply, &slz);
	lwkt_sendmsg(&port, &msg);
	lwkt_replymsg(&msg, 0);
}

static int stage;

static void
take_no_ipi_yet(void *arg __unused)
{
	crit_enter();
	atomic_store_rel_int(&stage, 1);
	await(&stage, 2);
	crit_exit();
}

CASE(initmsg_while_the_message_is_in_flight) /* panics: not-intransit */
{
	setup();
	start(0, take_no_ipi_yet, NULL);
	await(&stage, 1);
	lwkt_sendmsg(&workers[0].td->td_msgport, &msg);
	lwkt_initmsg(&msg, &reply, 0);
	atomic_store_rel_int(&stage, 2);
	finish();
}

CASE(getport_on_another_threads_port) /* panics: not-owner */
{
	start(0, sleep_for_ever, NULL);
	lwkt_getport(&workers[0].td->td_msgport);
}

CASE(waitport_on_another_threads_port) /* panics: not-owner */
{
	start(0, sleep_for_ever, NULL);
	lwkt_waitport(&workers[0].td->td_msgport, 0);
}

CASE(domsg_with_another_threads_reply_port) /* panics: not-owner */
{
	start(0, sleep_for_ever, NULL);
	setup();
	lwkt_initmsg(&msg, &workers[0].td->td_msgport, 0);
	lwkt_domsg(&port, &msg, 0);
}

CASE(serializer_entered_twice) /* panics: serialized-twice */
{
	setup();
	lwkt_serialize_enter(&slz);
	lwkt_serialize_enter(&slz);
}

CASE(put_on_a_serializer_port_without_it) /* panics: not-serialized */
{
	setup();
	lwkt_initport_serialize(&port, &slz);
	lwkt_sendmsg(&port, &msg);
}

CASE(waitport_on_a_serializer_port_without_it) /* panics: not-serialized */
{
	setup();
	lwkt_initport_serialize(&port, &slz);
	lwkt_waitport(&port, 0);
}

CASE(waitmsg_for_a_dropable_message) /* panics: wait-dropable */
{
	setup();
	lwkt_initmsg(&msg, &reply, MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	lwkt_waitmsg(&msg, 0);
}

CASE(drop_by_another_thread_on_a_thread_port) /* panics: drop-not-owner */
{
	start(0, sleep_for_ever, NULL);
	setup();
	lwkt_initmsg(&msg, &reply, MSGF_DROPABLE);
	lwkt_sendmsg(&workers[0].td->td_msgport, &msg);
	lwkt_dropmsg(&msg);
}

CASE(drop_by_another_thread_on_a_spin_port) /* panics: drop-not-owner */
{
	start(0, sleep_for_ever, NULL);
	setup();
	lwkt_initport_spin(&port, workers[0].td, FALSE);
	lwkt_initmsg(&msg, &reply, MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	lwkt_dropmsg(&msg);
}

CASE(drop_of_what_is_not_dropable) /* panics: drop-not-dropable */
{
	setup();
	lwkt_sendmsg(&port, &msg);
	lwkt_dropmsg(&msg);
}

CASE(oncpu_put_on_a_spin_port_that_is_not_fixed) /* panics: other */
{
	setup();
	lwkt_sendmsg_oncpu(&port, &msg);
}

CASE(sleep_on_nothing) /* panics: other */
{
	tsleep(NULL, 0, "nothing", 0);
}
