"""For the tests of programs that use Strongroom: a token that fails as it is told to, and rooms that are gone afterwards.

```python
from strongroom import testing

with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
    message = room.encrypt(b"text")
    hsm.gone()
    ...
```
"""

from strongroom.testing.hsm import FakeHsm
from strongroom.testing.rooms import room

__all__ = ["FakeHsm", "room"]
