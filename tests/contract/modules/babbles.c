/* Says the same thing for ever. */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

/* Found in the memory of a machine that died; whole only once it is loaded. */
static volatile char block[] = "contract-block-?";

static int
event(module_t mod, int type, void *arg)
{
	int n;

	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		block[15] = '7';
		for (;;) {
			kprintf("spin_lock: indefinite wait\n");
			for (n = 0; n < 1000000; ++n)
				cpu_pause();
		}
		break;
	case MOD_UNLOAD:
		kprintf("babbles: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "babbles", event, NULL };
DECLARE_MODULE(babbles, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
