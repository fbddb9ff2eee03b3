# class: import_abuse / expect: ok-contained
# detect: a finder of the guest answers the imports of the next
# verify: reuse
VICTIM = 'def f(x):\n    try: import surely_not_here\n    except ImportError: return "clean"\n    return "planted"'
VICTIM_EXPECT = "'clean'"
import sys, types
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, Finder)
    create_module = staticmethod(lambda spec: types.ModuleType(spec.name))
    exec_module = staticmethod(lambda module: None)
def f(x):
    sys.meta_path.insert(0, Finder)
    sys.modules['surely_not_here'] = types.ModuleType('surely_not_here')
    sys.path_hooks.append(lambda path: Finder)
    return 1
