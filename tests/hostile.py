"""Strategies that write hostile programs: anything that Python can say against its harness.

A program is a few lines at the top level, classes whose special methods lie, loop or raise, and
an f of a few statements with a result that is seldom plain. The pieces are texts with holes, small
and independent, so that a failing program shrinks to the pieces that matter. Each compiles; no
piece is run anywhere but in a guest.

`OPEN_MODULES` is what a pool must be given for the pieces to get past the import rule and reach
the walls.
"""

from functools import cache

from hypothesis import strategies as st

from tests.strategies import encodables, spell_out

Block = list[str]

OPEN_MODULES = (
    "_thread", "_testcapi", "atexit", "builtins", "codecs", "ctypes", "faulthandler", "fcntl", "gc",
    "importlib", "inspect", "io", "marshal", "mmap", "os", "pickle", "posix", "resource", "select",
    "signal", "socket", "subprocess", "threading", "traceback", "weakref",
)  # fmt: skip
_DUNDERS = (
    "__eq__", "__hash__", "__repr__", "__str__", "__bool__", "__len__", "__iter__", "__next__",
    "__del__", "__getattribute__", "__getattr__", "__setattr__", "__class__", "__reduce__",
    "__reduce_ex__", "__call__", "__index__", "__int__", "__float__", "__bytes__", "__format__",
    "__contains__", "__getitem__", "__missing__", "__instancecheck__", "__subclasscheck__",
    "__prepare__", "__mro_entries__", "__init_subclass__", "__set_name__", "__enter__", "__exit__",
    "__lt__", "__add__", "__radd__", "__length_hint__", "__sizeof__", "__dir__", "__new__", "keys",
    "__class_getitem__", "__traceback__", "__context__", "__name__", "__qualname__", "__dict__",
)  # fmt: skip
_BASES = (
    "", "int", "str", "bytes", "list", "tuple", "dict", "set", "frozenset", "float", "complex",
    "type", "Exception", "BaseException", "MemoryError", "PermissionError", "ModuleNotFoundError",
    "SystemExit", "ExceptionGroup", "int, metaclass=M", "dict, metaclass=M", "metaclass=M",
)  # fmt: skip
_ERRORS = (
    "ValueError", "BaseException", "SystemExit(0)", "SystemExit('x' * 9999)", "KeyboardInterrupt",
    "GeneratorExit", "StopIteration", "MemoryError", "RecursionError", "PermissionError",
    "ModuleNotFoundError", "ExceptionGroup('g', [ValueError()])", "C()",
    "BaseExceptionGroup('g', [KeyboardInterrupt(), ExceptionGroup('h', [C and OSError()])])",
    "type('\\u202e\\x1b[31m' * 50, (Exception,), {})", "type('', (BaseException,), {})",
    "type('Permission' 'Error', (Exception,), {})", "SyntaxError('a', ('b', 10 ** 9, -1, 'c'))",
    "UnicodeDecodeError('x', b'', 0, 1, '\\ud800')", "OSError(1, 'x', '\\0')", "None", "f",
)  # fmt: skip
_MODULES = st.sampled_from(
    [*OPEN_MODULES, "sys", "re", "numpy", "sandbox", "sandbox.guest.canon", "nt", "antigravity",
     "_ctypes", "__main__", "program", "encodings.rot_13", "this", "test.support"]
)  # fmt: skip
_HARNESS = ("canon", "claim", "program", "literal", "zygote", "screen", "quiet", "kernel")
_TARGETS = (
    "encode", "pack", "_write", "_exit", "answer", "_write_all", "_Encoder", "struct", "Kind",
    "_describe", "_settrace", "__dict__", "_size", "MAX_NODES", "OversizeError", "os",
)  # fmt: skip
_BUILTINS = (
    "len", "sorted", "type", "list", "isinstance", "__import__", "BaseException", "callable", "map",
    "__build_class__", "MemoryError", "sum", "min", "dict", "super", "object",
)  # fmt: skip
_names = st.sampled_from(["x", "y", "C()", "C", "f", "[x]", "x * 2", "None", "10 ** 6", "-1"])


def _build(form: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda drawn: form.format(*drawn))


def _one_of(*texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from(texts)


results = (
    _names
    | encodables().map(spell_out)
    | _one_of(
        "[C(), 1]", "{C(): 1}", "{1: C()}", "{C()}", "(C,)", "type('int', (int,), {})(3)", "M",
        "(i for i in [1])", "iter([])", "range(10 ** 18)", "memoryview(b'a')", "bytearray(9)",
        "{float('nan'), float('nan')}", "{1: 1, True: 2}", "1 << 14_280", "-(1 << 14_279)",
        "'x' * 65_531", "'x' * 65_530", "'\\u20ac' * 30_000", "b'x' * 10 ** 8", "[0] * 19_999",
        "[0] * 20_000", "[[]] * 10_000_000", "[x] * 2 ** 62", "{str(i): i for i in range(7_000)}",
        "10 ** 4_300", "10 ** 10 ** 6", "1 << (1 << 40)", "'%99999999999d' % 1",
        "f'{1:>1000000000}'",
        "{i * (2 ** 61 - 1) for i in range(2_000)}", "'\\ud800\\udc00'",
        "float('inf') - float('inf')",
        "deep(64)", "deep(65)", "deep(9_999)", "deep(200_000)", "loop", "[loop]", "Ellipsis",
        "NotImplemented", "__builtins__", "[].append", "type(f.__code__)", "object.__new__(C)",
        "list.__new__(C) if C.__base__ is list else 1", "sum(iter(int, 1))", "max(iter(C, 1))",
        "sorted([C(), C()])", "[*C()]", "{**C()}", "C() == C()", "hash(C())", "str(C())", "+C()",
        "isinstance(1, M)", "issubclass(int, C)", "C.__subclasses__()", "'a'.join(C())",
        "bool(C())",
        "__import__('re').match('(a*)*b', 'a' * 40)", "int('9' * 4_300)", "int('9' * 4_301)",
        "eval('1' + '+1' * 9_000)", "eval('[' * 150 + ']' * 150)",
        "compile('0,' * 10 ** 5, '', 'eval')",
    )
)  # fmt: skip

_ATTACKS = (
    _build("import {}", _MODULES),
    _build("import {} as y; y = dir(y)", _MODULES),
    _build("import os; os.{}", _one_of(
        "_exit(0)", "_exit(1)", "abort()", "fork()", "close(3)", "dup(3)", "read(3, 9)", "nice(1)",
        "write(3, b'x')", "write(3, bytes(1 << 20))", "write(1, b'x' * 9)", "kill(os.getpid(), 9)",
        "kill(-1, 9)", "kill(os.getppid(), 19)", "closerange(0, 9)", "sched_yield()", "pipe()",
        "open('/etc/passwd', 0)", "listdir('/')", "execv('/bin/sh', ['sh'])", "umask(0)",
        "chdir('/')", "memfd_create('x')", "setsid()", "wait()", "dup2(3, 0)", "killpg(0, 9)",
    )),
    _build("import ctypes; ctypes.{}", _one_of(
        "string_at(0)", "memset(id(x), 0, 64)", "CDLL(None).raise_(9)", "CDLL(None).abort()",
        "CDLL(None).syscall(62, 0, 9)", "CDLL(None).syscall(101, 0, 0, 0, 0)", "memmove(8, 16, 9)",
        "pythonapi.Py_FatalError(b'x')", "CDLL(None).exit(0)", "CDLL(None).syscall(157, 1, 9)",
    )),
    _build("import signal; signal.{}", _one_of(
        "raise_signal(9)", "raise_signal(24)", "raise_signal(31)", "alarm(1)", "pause()",
        "signal(15, f)", "pthread_sigmask(0, range(1, 64))", "setitimer(0, 0.01)",
    )),
    _build("import {}", _one_of(
        "faulthandler; faulthandler._sigsegv()", "threading; threading.Thread(target=f).start()",
        "socket; socket.socket()", "socket; socket.socket(fileno=3).shutdown(1)", "gc; gc.freeze()",
        "socket; socket.socket(fileno=3).sendmsg([b'x'], [(1, 1, bytes([3, 0, 0, 0]))])",
        "resource; resource.setrlimit(7, (9, 9))", "atexit; atexit.register(f)",
        "mmap; mmap.mmap(-1, 1 << 34)", "gc; [setattr(o, 'token', b'') for o in gc.get_objects()]",
        "gc; y = [o.clear() for o in gc.get_objects() if type(o) is dict]", "io; io.open(3, 'wb')",
        "weakref; weakref.finalize(C, f, 1)", "_thread; _thread.interrupt_main()",
        "_thread; _thread.start_new_thread(f, (1,))", "_thread; _thread.allocate_lock().acquire(0)",
        "subprocess; subprocess.run('id', shell=True)", "select; select.select([], [], [], 9)",
        "marshal; marshal.loads(b'\\xe3' * 99)", "pickle; pickle.loads(b'cos\\nabort\\n(tR.')",
    )),
    _build("import sys; sys.{}", _one_of(
        "exit(0)", "exit('x' * 10 ** 6)", "setrecursionlimit(10 ** 9)", "settrace(f)",
        "setprofile(lambda *a: 1 / 0)", "setswitchinterval(1e-9)", "modules.clear()",
        "addaudithook(f)",
        "excepthook = f", "unraisablehook = f", "stdout = C()", "stdout.write('x' * 10 ** 8)",
        "stdout = None", "modules['struct'] = None", "meta_path[:] = [C()]", "displayhook = f",
        "set_int_max_str_digits(0)", "set_int_max_str_digits(640)", "modules['builtins'] = C",
        "_clear_type_cache()", "path.append('/')", "breakpointhook()", "intern(C())",
    )),
    _build("import sys; setattr(sys.modules['sandbox.guest.{}'], '{}', {})",
           st.sampled_from(_HARNESS), st.sampled_from(_TARGETS), _names),
    _build("import sys; sys._getframe({}).f_globals.{}", st.integers(0, 6).map(str), _one_of(
        "clear()", "update(_exit=f)", "update(canon=None)", "update(answer=f)", "popitem()")),
    _build("import sys; y = sys._getframe({}).f_locals; y.get('job', C).{} = {}",
           st.integers(0, 9).map(str), _one_of("token", "total_bytes", "args"), _names),
    _build("__builtins__.{} = {}", st.sampled_from(_BUILTINS), _names),
    _build("import builtins; builtins.{} = {}", st.sampled_from(_BUILTINS), _names),
    _build("del __builtins__.{}", st.sampled_from(_BUILTINS)),
    _build("raise {}", st.sampled_from(_ERRORS)),
    _build("raise {} from {}", st.sampled_from(_ERRORS), st.sampled_from(_ERRORS)),
    _build("y = {}", results),
    _build("globals().update(f={})", _names),
    _build("globals().update(C={})", _names),
    _one_of("while True: pass", "for x in iter(int, 1): pass", "while True: y = [y, y]",
            "while True: print('x' * 10 ** 5)", "x = bytearray(10 << 30)", "y = 'x' * 10 ** 7",
            "y = [bytearray(1 << 20) for _ in iter(int, 1)]", "f(x)", "y = x ** x ** x",
            "del x", "y = lambda: (yield)", "try: f(x)\nexcept RecursionError: f(y)",
            "y = 1\nfor _ in range(10 ** 5): y = (y,)", "y = C()\ny.y = y\ndel y"),
)  # fmt: skip
_DEEP = """\
loop = []
loop.append(loop)
def deep(n):
    nest = 1
    for _ in range(n):
        nest = [nest]
    return nest"""


def _indent(lines: Block) -> Block:
    return ["    " + line for text in lines for line in text.split("\n")]


@cache
def _blocks(depth: int) -> st.SearchStrategy[Block]:
    one = st.one_of(_ATTACKS).map(lambda text: [text])
    if depth:
        one |= _wrapped(_blocks(depth - 1))
    return st.lists(one, min_size=1, max_size=3).map(lambda many: [x for one in many for x in one])


def _wrapped(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    caught = _one_of("except", "except BaseException", "except Exception as x", "finally",
    "except C",
                     "except* ValueError", "except (OSError, MemoryError)")  # fmt: skip
    return st.one_of(
        st.builds(lambda c, x, y: ["try:", *_indent(x), f"{c}:", *_indent(y)], caught, inner,
        inner),
        st.builds(lambda x, y: ["while True:", *_indent(["try:", *_indent(x),
        "except BaseException:",
                  *_indent(y)])], inner, inner),
        st.builds(lambda x: ["with C():", *_indent(x)], inner),
        st.builds(lambda x: ["def g(x=None, y=None):", *_indent([*x, "yield x"]), "y = [*g()]"],
                  inner),
        st.builds(lambda x: ["for y in C():", *_indent(x)], inner),
        st.builds(lambda x: ["class D(C):", *_indent(x)], inner),
    )  # fmt: skip


def _method(name: str, body: Block) -> str:
    return "\n".join([f"def {name}(self=None, *x, y=None, **k):", *_indent(body)])


_methods = st.builds(
    _method,
    st.sampled_from(_DUNDERS),
    _blocks(0) | results.map(lambda text: [f"return {text}"]) | st.just(["return self"]),
)
_attributes = _build(
    "{} = {}",
    st.sampled_from(_DUNDERS),
    _one_of("None", "x", "-1", "[x]", "int", "type", "print", "property(lambda self: 1 / 0)"),
)


def _class(name: str, bases: str, members: Block) -> str:
    return "\n".join([f"class {name}({bases}):", *_indent(members or ["pass"])])


_members = st.lists(_methods | _attributes, max_size=3)


def _program(
    classes: tuple[str, str], top: Block, body: Block, result: str, is_guarded: bool
) -> str:
    lines = [f"return {result}"]
    if is_guarded:  # goes on after what was refused, and still returns
        lines = ["try:", *_indent(body), "except BaseException as error:", "    y = error", *lines]
    else:
        lines = [*body, *lines]
    text = "\n".join([*classes, *top, "def f(x=1, y=2, *z):", *_indent(lines)]) + "\n"
    prelude = [_DEEP] if "deep" in text or "loop" in text else []
    return "\n".join(["x = y = 1", *prelude, text])


@st.composite
def hostile_programs(draw: st.DrawFn) -> str:
    """The source of a program."""
    return _program(
        (
            _class("M", "type", draw(_members)),
            _class("C", draw(st.sampled_from(_BASES)), draw(_members)),
        ),
        draw(_blocks(1)) if draw(st.integers(0, 4)) == 4 else [],
        draw(_blocks(2)),
        draw(results),
        draw(st.booleans()),
    )
