/*
 * Says what kernel this is.  Needs nothing of the guest but kldload: the
 * kernel's own variables tell, and whether it was built with INVARIANTS shows
 * in a sysctl that only such kernels have.
 *
 * It also leaves the kernel with stacks for the threads of the modules to come,
 * which make theirs on CPU 0 as well: to map one has all CPUs wait for each
 * other four times, which takes long when they share few cores.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>
#include <sys/msgbuf.h>
#include <sys/sysctl.h>
#include <sys/thread.h>
#include <sys/thread2.h>
#include <sys/globaldata.h>

#define PROBE_THREADS	6
#define PROBE_NURSERY	0		/* MPT_NURSERY of the modules */

static thread_t probe_threads[PROBE_THREADS];
static u_int probe_gone;

static char probe_invariants[] = "debug.use_malloc_pattern";
static char probe_known[] = "kern.osreldate";

/* 1 there, 0 not there, -1 cannot tell. */
static int
probe_sysctl(char *name)
{
	size_t size;
	int error, value;

	value = 0;
	size = sizeof(value);
	error = kernel_sysctlbyname(name, &value, &size, NULL, 0, NULL);
	if (error == 0)
		return (1);
	return (error == ENOENT ? 0 : -1);
}

static void
probe_thread(void *arg)
{
	(void)arg;
	lwkt_hold(curthread);
	atomic_add_int(&probe_gone, 1);
	wakeup(&probe_gone);
	lwkt_exit();
}

/* Have some threads at a time, and be sure that they are out of this module. */
static void
probe_make_stacks(void)
{
	const char *where;
	int cpu, i;

	cpu = mycpu->gd_cpuid;
	lwkt_setcpu_self(globaldata_find(PROBE_NURSERY));
	for (i = 0; i < PROBE_THREADS; ++i)
		lwkt_create(probe_thread, NULL, &probe_threads[i], NULL, 0,
		    PROBE_NURSERY, "probe %d", i);
	lwkt_setcpu_self(globaldata_find(cpu));
	while (atomic_load_acq_int(&probe_gone) != PROBE_THREADS)
		tsleep(&probe_gone, 0, "prgone", 1);
	for (i = 0; i < PROBE_THREADS; ++i) {
		while ((where = probe_threads[i]->td_wmesg) == NULL ||
		    strcmp(where, "tdreap") != 0)
			tsleep(&probe_gone, 0, "prreap", 1);
		lwkt_rele(probe_threads[i]);
	}
}

static int
probe_modevent(module_t mod, int type, void *unused)
{
	int invariants, spin;

	(void)mod;
	(void)unused;
	if (type == MOD_LOAD) {
		/* What it says counts only if it finds what must be there. */
		invariants = -1;
		if (probe_sysctl(probe_known) == 1)
			invariants = probe_sysctl(probe_invariants);
		spin = 0;
		kgetenv_int("lwkt.use_spin_port", &spin);
		kprintf("msgport-probe: osreldate=%d ncpus=%d invariants=%d "
		    "spin=%d at=%p messages=%p.\n", osreldate, ncpus,
		    invariants, spin != 0, (void *)probe_known,
		    (void *)msgbufp);
		kprintf("msgport-probe: kernel=%s", version);
		probe_make_stacks();
	}
	return (0);
}

static moduledata_t probe_data = {
	"msgport_probe",
	probe_modevent,
	NULL
};

DECLARE_MODULE(msgport_probe, probe_data, SI_SUB_PSEUDO, SI_ORDER_ANY);
