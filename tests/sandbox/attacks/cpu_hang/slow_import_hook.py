# class: cpu_hang / expect: timeout
# detect: an import that never ends
# verify: hang
import sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        while True: pass
def f(x):
    sys.meta_path.insert(0, Finder)
    import base64, colorsys
