/* Never ends. */
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
	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		block[15] = '7';
		kprintf("hangs: about to\n");
		for (;;)
			cpu_pause();
		break;
	case MOD_UNLOAD:
		kprintf("hangs: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "hangs", event, NULL };
DECLARE_MODULE(hangs, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
