"""What a recipe is: an immutable tree, the names and values in it, and capturing live objects as one.

May import: ``errors``, ``messages``, ``atomic``; the standard library only.

| question | module |
|---|---|
| what is a tree made of, how is it walked | ``tree`` |
| which keys of a mapping are not parameters | ``keys`` |
| which Python types are written as one value | ``values`` |
| what does a live object remember and hold of its constructor's arguments | ``memory`` |
| do two live values say the same | ``likeness`` |
| how is a live object made again as it is now | ``constructor`` |
| which dotted name has an object, which object a name | ``names`` |
| how is plain data walked, with trees in it too | ``data`` |
| how does a live object become a tree | ``capture`` |
"""
