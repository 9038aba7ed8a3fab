/* Threads, sleeping, IPIs and locks of the machine itself. */

static int word, count, order[MAXTHREADS], norder;
static struct spinlock spin;
static struct lwkt_serialize slz;
static struct thread *first_td, *second_td;

static void
note(void *arg)
{
	order[atomic_fetchadd_int(&norder, 1)] = (int)(intptr_t)arg;
}

CASE(threads_run_where_they_are_put)
{
	int n;

	for (n = 0; n < ncpus; ++n) {
		start(n, note, NULL);
		CHECK(workers[n].td->td_gd == globaldata_find(n));
	}
	CHECK(strcmp(workers[1].td->td_comm, "worker 2") == 0);
	CHECK(curthread->td_gd == mycpu && mycpuid == ncpus - 1);
	finish();
	CHECK(norder == ncpus);
}

static void
hog(void *arg)
{
	int n;

	/* No switch comes but at a call that blocks or yields. */
	for (n = 0; n < 1000; ++n) {
		CHECK(word == 0);
		word = 1;
		wakeup(&n);
		kgetenv_int("nothing", &n);
		word = 0;
		if (arg != NULL)
			lwkt_yield();
	}
}

CASE(threads_of_one_cpu_do_not_preempt_each_other)
{
	word = 0;
	start(0, hog, NULL);
	start(0, hog, &word);
	start(0, hog, &word);
	finish();
}

static void
take_turns(void *arg)
{
	int n;

	for (n = 0; n < 4; ++n) {
		order[norder++] = (int)(intptr_t)arg;
		lwkt_yield();
	}
}

CASE(yield_lets_the_next_thread_run)
{
	int n;

	norder = 0;
	start(mycpuid, take_turns, (void *)1);
	start(mycpuid, take_turns, (void *)2);
	finish();
	for (n = 0; n < 8; ++n)
		CHECK(order[n] == n % 2 + 1);
}

CASE(a_yield_with_a_spinlock_held_is_none)
{
	spin_init(&spin, "test");
	word = 0;
	start(mycpuid, hog, NULL);
	spin_lock(&spin);
	lwkt_yield();
	lwkt_user_yield();
	CHECK(finished == 0);
	spin_unlock(&spin);
	finish();
}

static void
bump(void *arg __unused)
{
	CHECK(curthread->td_critcount > 0);
	atomic_add_int(&count, 1);
}

static void
take_ipis_late(void *arg __unused)
{
	crit_enter();
	atomic_store_rel_int(&word, 1);
	await(&word, 2);
	CHECK(count == 0);
	crit_exit();
	CHECK(count == 100);
}

CASE(ipis_wait_for_the_end_of_a_critical_section)
{
	int n;

	word = count = 0;
	start(0, take_ipis_late, NULL);
	await(&word, 1);
	for (n = 0; n < 100; ++n)
		lwkt_send_ipiq(globaldata_find(0), bump, NULL);
	atomic_store_rel_int(&word, 2);
	finish();
}

static void
order_ipi(void *arg)
{
	CHECK((int)(intptr_t)arg == norder);
	++norder;
}

CASE(ipis_of_one_pair_of_cpus_arrive_in_order)
{
	int n, seq = 0;

	norder = 0;
	for (n = 0; n < 5000; ++n)
		seq = lwkt_send_ipiq(globaldata_find(0), order_ipi,
		    (void *)(intptr_t)n);
	lwkt_wait_ipiq(globaldata_find(0), seq);
	CHECK(norder == 5000);
}

/*
 * Two CPUs fill each other's FIFOs, out of critical sections in which they
 * take no IPI but those that let the other go on: neither waits for ever.
 */
static int counts[2];

static void
count_for(void *arg)
{
	atomic_add_int((int *)arg, 1);
}

static void
flood(void *arg)
{
	int me = (int)(intptr_t)arg, n;

	atomic_add_int(&word, 1);
	await(&word, 2);
	crit_enter();
	for (n = 0; n < 4000; ++n)
		lwkt_send_ipiq(globaldata_find(1 - me), count_for,
		    &counts[1 - me]);
	crit_exit();
}

CASE(two_full_fifos_do_not_deadlock)
{
	word = counts[0] = counts[1] = 0;
	start(0, flood, (void *)0);
	start(1, flood, (void *)1);
	finish();
	await(&counts[0], 4000);
	await(&counts[1], 4000);
	CHECK(counts[0] + counts[1] == 8000);
}

static void
fill_until_half(void *arg __unused)
{
	int n;

	for (n = 0; n < MAXCPUFIFO; ++n) {
		lwkt_send_ipiq(globaldata_find(0), bump, NULL);
		atomic_add_int(&word, 1);
	}
}

static void
drain_late(void *arg __unused)
{
	crit_enter();
	atomic_store_rel_int(&count, 0);
	atomic_store_rel_int(&norder, 1);
	/* It stands at half the FIFO and one, waiting for room. */
	while (atomic_load_acq_int(&word) < MAXCPUFIFO / 2 + 1)
		cpu_pause();
	DELAY(20000);
	CHECK(atomic_load_acq_int(&word) == MAXCPUFIFO / 2 + 1);
	CHECK(count == 0);
	crit_exit();
}

CASE(a_sender_waits_at_half_a_fifo)
{
	word = norder = 0;
	start(0, drain_late, NULL);
	await(&norder, 1);
	start(1, fill_until_half, NULL);
	finish();
	/* Its last ones may still be on their way when the sender ends. */
	await(&count, MAXCPUFIFO);
	CHECK(word == MAXCPUFIFO);
}

static void
forward_ipi(void *arg)
{
	int left = (int)(intptr_t)arg;

	if (left == 0)
		wakeup(&word);
	else
		lwkt_send_ipiq(globaldata_find((mycpuid + 1) % ncpus),
		    forward_ipi, (void *)(intptr_t)(left - 1));
}

CASE(an_ipi_may_send_the_next)
{
	tsleep_interlock(&word, 0);
	lwkt_send_ipiq(globaldata_find(0), forward_ipi, (void *)1000);
	CHECK(tsleep(&word, PINTERLOCKED, "ring", 10 * hz) == 0);
}

CASE(tsleep_times_out)
{
	struct timespec before, after;

	nanouptime(&before);
	CHECK(tsleep(&word, 0, "alone", 2) == EWOULDBLOCK);
	nanouptime(&after);
	CHECK((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec -
	    before.tv_nsec >= 2000000000L / hz);
	CHECK(curthread->td_wmesg == NULL);
}

static void
sleep_once(void *arg)
{
	CHECK(tsleep(arg, 0, "once", 0) == 0);
	atomic_add_int(&count, 1);
}

CASE(wakeup_wakes_all_and_wakeup_one_one)
{
	int n;

	count = 0;
	for (n = 0; n < 4; ++n)
		start(n, sleep_once, &word);
	for (n = 0; n < 4; ++n) {
		/* A thread of this CPU sleeps only once it has run. */
		while (workers[n].td->td_wmesg == NULL)
			lwkt_yield();
		await_sleep(workers[n].td, "once");
	}
	wakeup(&count);
	wakeup_one(&word);
	while (atomic_load_acq_int(&count) != 1)
		lwkt_yield();
	wakeup(&word);
	finish();
	CHECK(count == 4);
}

/* Who has only said that it is going to sleep is not the one that is woken. */
CASE(wakeup_one_wakes_one_that_sleeps)
{
	count = 0;
	tsleep_interlock(&word, 0);
	await_sleep(start(1, sleep_once, &word), "once");
	wakeup_one(&word);
	await(&count, 1);
	finish();
	tsleep_remove(curthread);
}

CASE(an_interlock_on_something_else_is_no_sleep)
{
	tsleep_interlock(&count, 0);
	CHECK(tsleep(&word, PINTERLOCKED, "never", 0) == 0);
	CHECK(curthread->td_flags & TDF_TSLEEPQ);
	tsleep_remove(curthread);
	/* Both queues are whole: who sleeps there is found. */
	start(mycpuid, sleep_once, &count);
	start(mycpuid, sleep_once, &word);
	while (workers[0].td->td_wmesg == NULL ||
	    workers[1].td->td_wmesg == NULL)
		lwkt_yield();
	wakeup(&count);
	wakeup(&word);
	finish();
}

CASE(a_thread_that_moves_is_on_no_sleep_queue)
{
	tsleep_interlock(&word, 0);
	lwkt_migratecpu((mycpuid + 1) % ncpus);
	CHECK((curthread->td_flags & TDF_TSLEEPQ) == 0);
}

CASE(a_wakeup_after_the_interlock_is_not_lost)
{
	tsleep_interlock(&word, 0);
	wakeup(&word);
	CHECK(tsleep(&word, PINTERLOCKED, "never", 0) == 0);
}

static void
add_locked(void *arg __unused)
{
	int n;

	for (n = 0; n < 2000; ++n) {
		spin_lock(&spin);
		CHECK(spin_held(&spin) && curthread->td_critcount > 0);
		++count;
		spin_unlock(&spin);
	}
}

CASE(spinlocks_exclude)
{
	int n;

	count = 0;
	spin_init(&spin, "test");
	for (n = 0; n < 4; ++n)
		start(n, add_locked, NULL);
	finish();
	CHECK(count == 8000);
	CHECK(spin_trylock(&spin));
	CHECK(!spin_trylock(&spin));
	spin_unlock(&spin);
}

static void
add_serialized(void *arg __unused)
{
	int n;

	for (n = 0; n < 500; ++n) {
		lwkt_serialize_enter(&slz);
		ASSERT_SERIALIZED(&slz);
		++count;
		if (n % 50 == 0)
			tsleep(&n, 0, "held", 1);
		lwkt_serialize_exit(&slz);
		ASSERT_NOT_SERIALIZED(&slz);
	}
}

CASE(serializers_exclude_even_over_a_sleep)
{
	int n;

	count = 0;
	lwkt_serialize_init(&slz);
	for (n = 0; n < 6; ++n)
		start(n, add_serialized, NULL);
	finish();
	CHECK(count == 3000);
	CHECK(lwkt_serialize_try(&slz));
	lwkt_serialize_exit(&slz);
}

static void
wander(void *arg __unused)
{
	int n;

	for (n = 0; n < 200; ++n) {
		lwkt_migratecpu(n % ncpus);
		CHECK(mycpuid == n % ncpus);
		CHECK(globaldata_find(mycpuid)->gd_curthread == curthread);
	}
}

CASE(threads_move_from_cpu_to_cpu)
{
	start(0, wander, NULL);
	start(1, wander, NULL);
	start(1, wander, NULL);
	finish();
}

CASE(scheduling_a_thread_that_moves_changes_nothing)
{
	struct thread *td = start(0, wander, NULL);

	while (atomic_load_acq_int(&finished) == 0) {
		lwkt_schedule(td);
		lwkt_yield();
	}
	/* One that chased the thread took two CPUs to do it. */
	lwkt_synchronize_ipiqs("first");
	lwkt_synchronize_ipiqs("second");
	finish();
}

static void
suspend(void *arg __unused)
{
	first_td = curthread;
	atomic_store_rel_int(&word, 1);
	crit_enter();
	while (atomic_load_acq_int(&word) != 2)
		lwkt_sleep("manual", 0);
	crit_exit();
}

CASE(lwkt_schedule_ends_lwkt_sleep)
{
	word = 0;
	second_td = start(0, suspend, NULL);
	await(&word, 1);
	await_sleep(second_td, "manual");
	CHECK(first_td == second_td);
	lwkt_schedule(second_td);
	lwkt_synchronize_ipiqs("sync");
	await_sleep(second_td, "manual");
	atomic_store_rel_int(&word, 2);
	lwkt_schedule(second_td);
	finish();
}

static void
return_at_once(void *arg __unused)
{
}

CASE(a_held_thread_stays_until_it_is_released)
{
	struct thread *td;
	const char *why;

	lwkt_create(return_at_once, NULL, &td, NULL, TDF_NOSTART, 0, "held");
	CHECK((td->td_flags & TDF_RUNQ) == 0);
	lwkt_hold(td);
	lwkt_schedule(td);
	/* Read once: its sleep ends at each tick. */
	while ((why = td->td_wmesg) == NULL)
		cpu_pause();
	CHECK(strcmp(why, "tdreap") == 0);
	lwkt_rele(td);
}

#define NIDENTS	4

static int idents[NIDENTS];
static struct thread *all[12];

static void
wake_from_ipi(void *ident)
{
	wakeup(ident);
}

static void
wake_from_the_next(void *ident)
{
	lwkt_send_ipiq(globaldata_find((mycpuid + 1) % ncpus), wake_from_ipi,
	    ident);
}

static void
hold_oneself(void *arg __unused)
{
	lwkt_hold(curthread);
}

static void
do_anything(void *arg)
{
	struct thread *child;
	globaldata_t gd;
	void *ident, *other;
	u_int seed = (u_int)(uintptr_t)arg, round, n;

	await(&word, 1);
	for (round = 0; round < 300; ++round) {
		seed = seed * 1664525 + 1013904223;
		n = seed >> 8;
		ident = &idents[n / 16 % NIDENTS];
		other = &idents[n / 64 % NIDENTS];
		gd = globaldata_find((int)(n / 256 % (u_int)ncpus));
		switch (n % 16) {
		case 0:
			tsleep(ident, 0, "any", 1);
			break;
		case 1:
			tsleep_interlock(ident, 0);
			lwkt_yield();
			tsleep(other, PINTERLOCKED, "any", 1);
			break;
		case 2:
			tsleep_interlock(ident, 0);
			break;
		case 3:
			wakeup(ident);
			break;
		case 4:
			wakeup_one(ident);
			break;
		case 5:
			wakeup_mycpu(ident);
			break;
		case 6:
			lwkt_setcpu_self(gd);
			CHECK(mycpu == gd);
			break;
		case 7:
			lwkt_send_ipiq(gd, wake_from_ipi, ident);
			break;
		case 8:
			lwkt_send_ipiq(gd, wake_from_the_next, ident);
			break;
		case 9:
			lwkt_serialize_enter(&slz);
			zsleep(ident, &slz, 0, "any", 1);
			lwkt_serialize_exit(&slz);
			break;
		case 10:
			lwkt_serialize_enter(&slz);
			lwkt_yield();
			lwkt_serialize_exit(&slz);
			break;
		case 11:
			spin_lock(&spin);
			++count;
			ssleep(ident, &spin, 0, "any", 1);
			--count;
			spin_unlock(&spin);
			break;
		case 12:
			lwkt_create(hold_oneself, NULL, &child, NULL, 0,
			    (int)gd->gd_cpuid, "child");
			reap(child);
			break;
		case 13:
			for (n = 0; n < MAXCPUFIFO; ++n)
				lwkt_send_ipiq(gd, wake_from_ipi, ident);
			break;
		case 14:
			lwkt_synchronize_ipiqs("any");
			break;
		case 15:
			/* It runs, or sleeps on: this wakes nobody. */
			lwkt_schedule(all[n / 256 % nitems(all)]);
			break;
		}
	}
}

/*
 * Whoever stands on a queue where it is not looked for, or is forgotten there,
 * is found by a sanitizer, or never comes to its end.
 */
CASE(everything_at_once_comes_to_its_end)
{
	u_int n;

	word = count = 0;
	spin_init(&spin, "test");
	lwkt_serialize_init(&slz);
	for (n = 0; n < nitems(all); ++n)
		all[n] = start((int)n, do_anything, (void *)(uintptr_t)n);
	atomic_store_rel_int(&word, 1);
	finish();
	CHECK(count == 0);
	/* An IPI's IPI is through after the second. */
	lwkt_synchronize_ipiqs("first");
	lwkt_synchronize_ipiqs("second");
}

/* An IPI that prints, while its CPU is printing: that kprintf is lost. */
static int lost, printed;

static void
print_from_ipi(void *arg __unused)
{
	if (kprintf("ipi\n") == 0)
		++lost;
	else
		++printed;
}

static void
print_much(void *arg __unused)
{
	while (atomic_load_acq_int(&word) == 0)
		kprintf("line\n");
}

CASE(kprintf_within_kprintf_prints_nothing)
{
	int n, seq;

	word = lost = printed = 0;
	start(0, print_much, NULL);
	for (n = 0; n < 100000 && atomic_load_acq_int(&lost) == 0; ++n) {
		seq = lwkt_send_ipiq(globaldata_find(0), print_from_ipi, NULL);
		lwkt_wait_ipiq(globaldata_find(0), seq);
	}
	atomic_store_rel_int(&word, 1);
	finish();
	CHECK(lost > 0);
	kprintf("sent %d printed %d lost %d\n", lost + printed, printed, lost);
}

static void
print_whole_lines(void *arg)
{
	int n;

	for (n = 0; n < 100; ++n)
		kprintf("cpu %d says %s %s %s\n", (int)(intptr_t)arg, "one",
		    "two", "three");
}

CASE(kprintf_lines_of_different_cpus_stay_whole)
{
	int n;

	for (n = 0; n < 4; ++n)
		start(n, print_whole_lines, (void *)(intptr_t)n);
	finish();
	CHECK(1);
}

static int
formats(const char *expected, const char *fmt, ...)
{
	char buffer[80];
	__va_list ap;
	int length;

	__va_start(ap, fmt);
	length = kvsnprintf(buffer, sizeof(buffer), fmt, ap);
	__va_end(ap);
	if (strcmp(buffer, expected) == 0 && length == (int)strlen(expected))
		return (1);
	kprintf("\"%s\" gives \"%s\" (%d)\n", fmt, buffer, length);
	return (0);
}

CASE(ksnprintf_formats_as_printf_does)
{
	char small[4];

	CHECK(formats("a  7|7  |-07", "a%3d|%-3d|%03d", 7, 7, -7));
	CHECK(formats("ff 0xff FF 377", "%x %#x %X %o", 255, 255, 255, 255));
	CHECK(formats("-9223372036854775808", "%jd", (intmax_t)INT64_MIN));
	CHECK(formats("18446744073709551615", "%lu", ~0ul));
	CHECK(formats("ab|  ab|ab  |a", "%s|%4s|%-4s|%.1s", "ab", "ab", "ab",
	    "ab"));
	CHECK(formats("c%5", "%c%%%u", 'c', 5));
	CHECK(formats("0", "%p", NULL));
	CHECK(formats("0x10", "%p", (void *)16));
	CHECK(formats("0005 +5", "%.4d %+d", 5, 5));
	CHECK(ksnprintf(small, sizeof(small), "%d", 12345) == 5);
	CHECK(strcmp(small, "123") == 0);
}

CASE(memory_is_zeroed_on_request)
{
	char *p = kmalloc(100, M_TEMP, M_WAITOK | M_ZERO);
	int n;

	for (n = 0; n < 100; ++n)
		CHECK(p[n] == 0);
	kfree(p, M_TEMP);
}

CASE(crc32_is_that_of_ieee)
{
	CHECK(crc32("123456789", 9) == 0xcbf43926);
}

CASE(every_cpu_takes_part)
{
	int n;

	count = 0;
	for (n = 0; n < MIN(ncpus, MAXTHREADS); ++n)
		start(n, add_locked, NULL);
	finish();
	CHECK(count == 2000 * MIN(ncpus, MAXTHREADS));
}
