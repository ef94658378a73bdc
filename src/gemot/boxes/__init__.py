"""The walls: what confines a driver's process on this computer, and says what it truly guarantees.

    ended = await once(Key("process 7", (Bind("/home/you/notes", "/work", writable=True),)), Call(("ls", "-l")))

A :class:`Key` says whom a box serves, a :class:`Call` what is run in it, :class:`Ended` how that ended;
:func:`guarantees` says what holds here. ``docs/book/boxes.md`` says what is claimed and what is not.
"""

from gemot.boxes.boxes import Boxes as Boxes
from gemot.boxes.boxes import once as once
from gemot.boxes.bubblewrap import remedy as remedy
from gemot.boxes.probes import Guarantees as Guarantees
from gemot.boxes.probes import guarantees as guarantees
from gemot.boxes.shape import Bind as Bind
from gemot.boxes.shape import BoxFailed as BoxFailed
from gemot.boxes.shape import BoxLost as BoxLost
from gemot.boxes.shape import Call as Call
from gemot.boxes.shape import Ended as Ended
from gemot.boxes.shape import Key as Key
from gemot.boxes.shape import Limits as Limits
