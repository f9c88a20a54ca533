"""What a recipe is: an immutable tree, the names and values in it, and capturing live objects as one.

May import: ``errors``, ``messages``, ``atomic``; the standard library only.

| question | module |
|---|---|
| what is a tree made of, how is it walked | ``tree`` |
| which keys of a mapping are not parameters | ``keys`` |
| which Python types are written as one value | ``values`` |
| how is such a value's constructor found | ``constructor`` |
| which dotted name has an object, which object a name | ``names`` |
| how is plain data walked, with trees in it too | ``data`` |
| how does a live object become a tree | ``capture`` |
"""
