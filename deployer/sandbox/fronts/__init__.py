"""The load balancers of the sandbox: a real front on this machine for each listener that moto knows.

    Account.exchange   moto's objects ──▶ View (frozen)      in a thread: waiting for the lock stops no traffic
    Fronts             View ──▶ fronts opened and closed     one event loop in one daemon thread
    Checks             each registered target ──▶ Health     told to moto with the next exchange
    Traffic            group ──▶ target, and who is busy     round robin over the healthy; all, if none is
    ApplicationFront   HTTP by rules (relay, tunnel, pages)
    NetworkFront       TCP, byte for byte

Everything is bound on 127.0.0.1 or on a unix socket, nothing else.
"""

from deployer.sandbox.fronts.fronts import FrontInfo, Fronts

__all__ = ["FrontInfo", "Fronts"]
