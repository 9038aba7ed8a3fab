/* Calls what no kernel has. */
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kernel.h>
#include <sys/module.h>
#include <sys/errno.h>

void	contract_no_such_function(void);

static int
event(module_t mod, int type, void *arg)
{
	(void)mod;
	(void)arg;
	switch (type) {
	case MOD_LOAD:
		contract_no_such_function();
		break;
	case MOD_UNLOAD:
		kprintf("unresolved: bye\n");
		break;
	}
	return (0);
}

static moduledata_t data = { "unresolved", event, NULL };
DECLARE_MODULE(unresolved, data, SI_SUB_PSEUDO, SI_ORDER_ANY);
