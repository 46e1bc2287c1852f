# What the embedded DSS uses of luqum, which has no types of its own.

class Item:
    @property
    def children(self) -> list[Item]: ...

class SearchField(Item):
    name: str
    expr: Item

class BaseGroup(Item):
    expr: Item

class Range(Item):
    low: Word | Phrase
    high: Word | Phrase
    include_low: bool
    include_high: bool

class Term(Item):
    value: str
    def __init__(self, value: str) -> None: ...

class Word(Term): ...
class Phrase(Term): ...
class Regex(Term): ...

class Boost(Item):
    expr: Item

class BaseOperation(Item): ...
class OrOperation(BaseOperation): ...
class AndOperation(BaseOperation): ...

class Unary(Item):
    a: Item

class Plus(Unary): ...
class Not(Unary): ...
class Prohibit(Unary): ...

class OpenRange(Unary):
    include: bool

class From(OpenRange): ...
class To(OpenRange): ...
