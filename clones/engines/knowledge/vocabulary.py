"""Words of questions: those that say nothing, and other words for the same thing in the talk about software."""

_STOP = (
    "a about after all am an and another any are as at be because been before being but by can could did do does "
    "doing done for from get gets give had happen happens has have how i if in into is it its like make makes many "
    "may me might more most much must my need no not of on one only or other our out per please should show so some "
    "such tell than that the their them then there these they thing things this those to too under up us use used "
    "using very want was way we were what when where which while who whom whose why will with without would you "
    "your"
)
STOP_WORDS = frozenset(_STOP.split())

_GROUPS = (
    "remove delete drop discard erase clear",
    "error exception failure fail fault raise",
    "config configuration setting settings option options",
    "start begin launch boot run execute",
    "stop end quit shutdown terminate exit",
    "cancel abort interrupt kill",
    "create build construct generate new",
    "folder directory",
    "test tests check verify",
    "login authenticate authentication auth credentials password",
    "send submit publish emit dispatch enqueue",
    "receive fetch read load obtain retrieve",
    "write save store persist dump",
    "retry again attempt repeat",
    "timeout deadline limit expire",
    "install setup dependency",
    "print display show output echo render",
    "ask prompt confirm confirmation question",
    "argument parameter",
    "convert transform parse cast",
    "choose select pick choice",
    "colour color style",
    "path file filename",
    "command subcommand",
    "url address endpoint uri link",
    "escape quote sanitize safe",
    "late delay delayed later countdown eta",
    "schedule periodic cron beat",
    "lock mutex exclusive",
    "cache memoize remember",
    "hidden private secret",
    "encrypt decrypt encryption cipher",
    "version release",
    "log logging logger",
    "worker daemon process",
    "concurrent parallel simultaneous concurrency",
    "decide decision approve approval reject verdict",
    "broken wrong invalid malformed",
    "unique duplicate twice once",
    "wait block pause sleep",
    "header metadata",
    "default fallback",
    "user person operator",
    "die dead crash lost gone",
)
_BY_WORD = {word: group.split() for group in _GROUPS for word in group.split()}


def others_for(word: str) -> list[str]:
    """Return other words for what a word means; a plural is looked up as its singular as well."""
    group = _BY_WORD.get(word) or _BY_WORD.get(word.removesuffix("s")) or []
    return [other for other in group if other not in (word, word.removesuffix("s"))]
