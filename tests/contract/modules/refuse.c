/* Does not let itself be loaded. */
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
		kprintf("refuse: no\n");
		return (ENXIO);
		break;
	case MOD_UNLOAD:
		kprintf("refuse: away\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "refuse", event, NULL };
DECLARE_MODULE(refuse, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
