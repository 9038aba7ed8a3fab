/*
 * Says what kernel this is.  Needs nothing of the guest but kldload: the
 * kernel's own variables tell, and whether it was built with INVARIANTS shows
 * in a sysctl that only such kernels have.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>
#include <sys/globaldata.h>
#include <sys/sysctl.h>

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
		    "spin=%d at=%p.\n", osreldate, ncpus, invariants, spin != 0,
		    (void *)probe_known);
		kprintf("msgport-probe: kernel=%s", version);
	}
	return (0);
}

static moduledata_t probe_data = {
	"msgport_probe",
	probe_modevent,
	NULL
};

DECLARE_MODULE(msgport_probe, probe_data, SI_SUB_PSEUDO, SI_ORDER_ANY);
