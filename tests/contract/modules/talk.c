/* Says many lines, a tunable, and good-bye. */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

static int
event(module_t mod, int type, void *arg)
{
	int value = 0;

	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		kgetenv_int("contract.value", &value);
		kprintf("talk: value %d\n", value);
		for (value = 0; value < 200; ++value)
			kprintf("talk: line %d of two hundred\n", value);
		break;
	case MOD_UNLOAD:
		kprintf("talk: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "talk", event, NULL };
DECLARE_MODULE(talk, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
