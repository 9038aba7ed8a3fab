"""The declarations of a scenario: its threads, ports, messages and serializers, and what their names mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from lark import Token, Tree

from msgport.manual.api import EASYNC, PortKind
from msgport.scenario.program import Handler, Message, Port
from msgport.scenario.source import Source, nearest
from msgport.scenario.statements import ABORT_HANDLERS, PUTPORT_HANDLERS, REPLYPORT_HANDLERS, Behaviour

SETTABLE_FLAGS = ("DROPABLE", "PRIORITY", "USER0", "USER1", "USER2", "USER3")
"""The flags that a scenario may give to a message; the others are the kernel's own."""

LONGEST_NAME = 15
RESERVED = frozenset({"null", "stray", "empty", "none", "said"})
"""Words that stand for values in an outcome."""

HANDLERS: dict[str, dict[str, Behaviour]] = {
    "putport": PUTPORT_HANDLERS,
    "replyport": REPLYPORT_HANDLERS,
    "abort": ABORT_HANDLERS,
}


@dataclass
class Names:
    """What a variant declares, and the built-in ports as they come to be used."""

    source: Source
    threads: tuple[str, ...] = ()
    ports: dict[str, Port] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    serializers: list[str] = field(default_factory=list)
    builtin: set[str] = field(default_factory=set)

    def declare(self, token: Token) -> str:
        """Check a new name; ScenarioError when it is too long, reserved or taken."""
        if len(token) > LONGEST_NAME or "." in token:
            raise self.source.error(token, f"{token!s} is no name", f"letters, digits and _, at most {LONGEST_NAME}")
        if token in RESERVED:
            raise self.source.error(token, f"{token!s} means something in an outcome", "take another name")
        if token in self.ports or token in self.messages or token in self.serializers or token in self.threads:
            raise self.source.error(token, f"{token!s} is declared already", "each name stands for one thing")
        return str(token)

    def thread(self, token: Token) -> str:
        """The thread that the token names."""
        if token not in self.threads:
            raise self.source.error(token, f"there is no thread {token!s}", nearest(token, self.threads))
        return str(token)

    def port(self, token: Token) -> str:
        """The declared port, or the thread's own ``T0.port``, that the token names."""
        name = str(token)
        thread, _, suffix = name.partition(".")
        if suffix == "port":
            self.thread(token.update(value=thread))
            self.builtin.add(thread)
        elif name not in self.ports:
            known = [*self.ports, *(f"{thread}.port" for thread in self.threads)]
            raise self.source.error(token, f"there is no port {name}", nearest(name, known))
        return name

    def message(self, token: Token) -> str:
        """The declared message that the token names."""
        if token not in self.messages:
            raise self.source.error(token, f"there is no message {token!s}", nearest(token, self.messages))
        return str(token)

    def serializer(self, token: Token) -> str:
        """The serializer that the token names."""
        if token not in self.serializers:
            raise self.source.error(token, f"there is no serializer {token!s}", nearest(token, self.serializers))
        return str(token)

    def guard(self, token: Token) -> str | None:
        """The serializer that guards the port the token names; None when its kind has none."""
        name = self.port(token)
        return self.ports[name].serializer if name in self.ports else None

    def handler(self, kind: str, name: Token, numbers: list[Token]) -> Handler:
        """A handler of that kind (a key of HANDLERS), with as many numbers as it takes."""
        table = HANDLERS[kind]
        if name not in table:
            raise self.source.error(name, f"there is no {kind} handler {name!s}", nearest(name, table))
        wanted = table[name].arguments
        if len(numbers) != wanted:
            raise self.source.error(
                name, f"{name!s} takes {wanted} in parentheses, not {len(numbers)}", table[name].about
            )
        values = tuple(number(self.source, each) for each in numbers)
        if kind == "putport" and name != "reply" and values and values[-1] == EASYNC:
            raise self.source.error(
                numbers[-1], f"{name!s} cannot return {EASYNC} (EASYNC)", "to reply later: keep; from within: reply(N)"
            )
        return Handler(str(name), values)

    def only_handler(self, kind: str, name: Token, numbers: list[Token]) -> Handler:
        """A handler that a port is made with: there is no other behind it that it could call."""
        handler = self.handler(kind, name, numbers)
        if handler.chains:
            raise self.source.error(
                name,
                f"{name!s} has no handler behind it to call: this port is made with its {kind} handler",
                f"chain on a port of kind thread, spin or serialize, or assign it later with set{kind}",
            )
        return handler

    def all_ports(self) -> tuple[Port, ...]:
        """The declared ports in file order, then the built-in ones that are used."""
        own = (
            Port(f"{thread}.port", PortKind.THREAD, owner=thread, builtin=True)
            for thread in self.threads
            if thread in self.builtin
        )
        return (*self.ports.values(), *own)


def number(source: Source, token: Token) -> int:
    """The number that the token writes; ScenarioError when it is none or does not fit an int."""
    if not token.isdecimal():
        raise source.error(token, f"{token!s} is no number", "write a decimal number here")
    if int(token) > 2**31 - 1:
        raise source.error(token, f"{token!s} is too large", "a number fits a C int")
    return int(token)


def flag_names(source: Source, tokens: list[Token]) -> tuple[str, ...]:
    """Flag names in the order of SETTABLE_FLAGS; a token may hold several, joined with ``+`` (a ``vary:`` choice)."""
    given = [(name, token) for token in tokens for name in token.split("+")]
    for name, token in given:
        if name not in SETTABLE_FLAGS:
            raise source.error(token, f"{name!r} is no flag that a scenario may set", nearest(name, SETTABLE_FLAGS))
    return tuple(name for name in SETTABLE_FLAGS if name in {name for name, _ in given})


def call_of(tree: Tree[Token]) -> tuple[Token, list[Token]]:
    """Take apart ``handler_call``: the name and the numbers."""
    name, *numbers = (child for child in tree.children if isinstance(child, Token))
    return name, numbers


def declare(names: Names, declarations: Tree[Token], kinds: dict[str, Token]) -> None:
    """Read the declarations into ``names``; ``kinds`` maps each varied port to the kind chosen for it."""
    trees = [child for child in declarations.children if isinstance(child, Tree)]
    # Serializers before the ports that name them, ports before the messages: the order in the file is free.
    for tree in trees:
        if tree.data == "serializer":
            names.serializers.append(names.declare(_token(tree)))
    for tree in trees:
        if tree.data == "port":
            port = _port(names, tree, kinds)
            names.ports[port.name] = port
            if port.serializer == port.name:
                names.serializers.append(port.name)
    for tree in trees:
        if tree.data == "msg":
            message = _message(names, tree)
            names.messages[message.name] = message


def _token(tree: Tree[Token], place: int = 0) -> Token:
    token = tree.children[place]
    assert isinstance(token, Token)
    return token


def _options(names: Names, tree: Tree[Token]) -> dict[str, Tree[Token]]:
    """The options after a declared name, by rule; each may stand once."""
    options: dict[str, Tree[Token]] = {}
    for option in tree.children[1:]:
        assert isinstance(option, Tree)
        if option.data in options:
            raise names.source.error(_token(tree), f"{option.data!s} is given twice", "leave one of them out")
        options[option.data] = option
    return options


def _handler(names: Names, kind: str, options: dict[str, Tree[Token]], *, only: bool = False) -> Handler | None:
    if kind not in options:
        return None
    call = options[kind].children[0]
    assert isinstance(call, Tree)
    return (names.only_handler if only else names.handler)(kind, *call_of(call))


def _port(names: Names, tree: Tree[Token], kinds: dict[str, Token]) -> Port:
    token = _token(tree)
    name = names.declare(token)
    options = _options(names, tree)
    if name in kinds and "kind" in options:
        raise names.source.error(_token(options["kind"]), f"vary: gives {name} its kind", "leave the kind out here")
    word = kinds.get(name) or (_token(options["kind"]) if "kind" in options else None)
    if word is not None and word not in list(PortKind):
        raise names.source.error(word, f"{word!s} is no kind of port", nearest(word, [each.value for each in PortKind]))
    kind = PortKind(word) if word is not None else PortKind.THREAD
    owner = names.thread(_token(options["owner"])) if "owner" in options else None
    serializer = names.serializer(_token(options["guarded"])) if "guarded" in options else name
    putport = _handler(names, "putport", options, only=kind is PortKind.PUTONLY)
    replyport = _handler(names, "replyport", options, only=kind is PortKind.REPLYONLY)
    if kind is PortKind.THREAD and owner is None:
        raise names.source.error(token, f"the thread port {name} has no owner", f"write: port {name} thread owner T0")
    if kind is PortKind.PUTONLY and putport is None:
        raise names.source.error(token, f"the putonly port {name} has no putport handler", "add: putport return(0)")
    if kind is PortKind.REPLYONLY and replyport is None:
        raise names.source.error(token, f"the replyonly port {name} has no replyport handler", "add: replyport done")
    return Port(
        name,
        kind,
        owner if kind in (PortKind.THREAD, PortKind.SPIN) else None,
        serializer if kind is PortKind.SERIALIZE else None,
        putport,
        replyport,
    )


def _message(names: Names, tree: Tree[Token]) -> Message:
    name = names.declare(_token(tree))
    options = _options(names, tree)
    if "raw" in options and len(options) > 1:
        raise names.source.error(
            _token(tree), f"the raw message {name} has options", "a column's initmsg gives it reply port and flags"
        )
    reply = names.port(_token(options["reply"])) if "reply" in options else None
    flags: tuple[str, ...] = ()
    if "flags" in options:
        tokens = options["flags"].children[0]
        assert isinstance(tokens, Tree)
        flags = flag_names(names.source, [token for token in tokens.children if isinstance(token, Token)])
    return Message(name, reply, flags, _handler(names, "abort", options), "raw" in options)
