/* One more module. */
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
		kprintf("other: hello\n");
		break;
	case MOD_UNLOAD:
		kprintf("other: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "other", event, NULL };
DECLARE_MODULE(other, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
