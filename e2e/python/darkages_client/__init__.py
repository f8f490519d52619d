"""A small client of DarkAges zones, written from docs/PROTOCOL.md.

It joins through the directory, walks, sees others and survives handoffs. It is made to be read, and to prove that the
document is enough; it draws nothing and predicts nothing.

    noise      the handshake's NKpsk2
    sealing    headers, keys and the replay window of session datagrams
    frames     what the sealed part of a datagram is made of
    session    one session: handshake, channels, acknowledgements, resending; no socket and no clock
    bits       bit-packed reading and writing
    block      the entity block of a snapshot
    inputs     input datagrams
    directory  HTTP: tickets and join
    view       what one session has shown
    player     a player: sessions, inputs, and which zone it follows
"""
