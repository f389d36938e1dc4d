"""How the chain changes: the contract language, the kernel, the executor, the library.

``language`` checks, compiles and runs contracts; ``kernel`` is what they can ask for and what no bug of theirs breaks;
``host`` joins the two. ``executor`` runs blocks and writes what comes of them, ``reads`` answers from what was written
(``answers``), ``records`` are the rows beside the state. ``genesis_state`` is height 0, ``library`` what ships.
"""
