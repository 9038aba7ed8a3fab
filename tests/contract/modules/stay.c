/* Does not let itself be unloaded. */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

static int
event(module_t mod, int type, void *arg)
{
	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		kprintf("stay: here\n");
		break;
	case MOD_UNLOAD:
		kprintf("stay: no\n");
		return (EBUSY);
		break;
	}
	return (0);
}

static moduledata_t data = { "stay", event, NULL };
DECLARE_MODULE(stay, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
