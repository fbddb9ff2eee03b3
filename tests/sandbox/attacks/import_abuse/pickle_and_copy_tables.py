# class: import_abuse / expect: ok-contained
# detect: tables of copyreg, re, struct and warnings keep what the guest put there
# verify: reuse
VICTIM = 'import copy, re, warnings\ndef f(x):\n    warnings.warn("quiet")\n    return [copy.copy([1]), copy.deepcopy({2: (3,)}), re.split("b", "abc")]'
VICTIM_EXPECT = "[[1], {2: (3,)}, ['a', 'c']]"
import copy, copyreg, re, warnings
def f(x):
    copyreg.pickle(list, lambda thing: (tuple, ()))
    copy._copy_dispatch.clear() if hasattr(copy, '_copy_dispatch') else None
    copy._deepcopy_dispatch.clear()
    re._cache.clear()
    warnings.simplefilter('error')
    return 1
