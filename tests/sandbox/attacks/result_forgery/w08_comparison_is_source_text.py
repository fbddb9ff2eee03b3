# class: result_forgery / expect: ok-contained
# detect: the path /tmp/pwned_own_result_forgery__w08_comparison_is_source_text exists after the run (made by a judge that evaluates the text of a comparison)
# verify: file
class Text(str):
    def __eq__(self, other): return Text("__import__('os').mkdir('/tmp/pwned_own_result_forgery__w08_comparison_is_source_text')")
    def __repr__(self): return "__import__('os').mkdir('/tmp/pwned_own_result_forgery__w08_comparison_is_source_text')"
    __str__ = __format__ = lambda self, *a: repr(self)
    __hash__ = str.__hash__
def f(x): return [Text('quiet'), {Text('key'): Text('value')}]
