# class: result_forgery / expect: ok-contained
# detect: a type that equals list and says so of itself gets an encoding
# verify: eq
GOLD_EQ = [1, 2, 3]
class Meta(type):
    def __eq__(cls, other): return True
    def __hash__(cls): return hash(list)
class Odd(list, metaclass=Meta):
    __class__ = list
    def __len__(self): return 3
    def __iter__(self): return iter([1, 2, 3])
def f(x): return Odd([9])
