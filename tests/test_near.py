"""Sums over the processes of one machine by sockets: what they sum to, and where there are none."""

import queue
import tempfile
import threading

import pytest
import torch

from glassnet.training.near import connect
from glassnet.world import World


def together(size, work, local_size=None):
    """What each of so many processes, here threads, makes of its lines; the first one's word goes to all by queues."""
    told = [queue.Queue() for _ in range(size)]
    made = [None] * size

    def process(rank):
        def tell(value):
            if rank == 0:
                for one in told[1:]:
                    one.put(value)
                return value
            return told[rank].get(timeout=20)

        made[rank] = work(rank, connect(World(rank, size, rank, local_size or size), tell))

    threads = [threading.Thread(target=process, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return made


def test_values_are_summed_in_the_order_of_the_processes():
    """In float64 (1e16 + 1) - 1e16 is 0, as 1e16 + 1 is rounded to 1e16, and (1e16 - 1e16) + 1 is 1."""
    given = [[1e16, 1e16], [1.0, -1e16], [-1e16, 1.0]]

    def work(rank, near):
        values = torch.tensor(given[rank], dtype=torch.float64)
        near.add_up(values)
        near.close()
        return values.tolist()

    assert together(3, work) == [[0.0, 1.0]] * 3


def test_many_values_of_other_types_and_layouts_are_summed_too():
    """More than a socket takes at once, and a tensor whose values don't lie in a row."""

    def work(rank, near):
        many, turned = torch.full((1 << 20,), rank + 1.0), torch.arange(6).reshape(2, 3).t() * (rank + 1)
        near.add_up(many)
        near.add_up(turned)
        near.close()
        return bool((many == 3).all()), turned.tolist()

    assert together(2, work) == [(True, [[0, 9], [3, 12], [6, 15]])] * 2


def test_the_end_of_another_process_is_an_error_and_not_a_wait():
    def work(rank, near):
        if rank == 1:
            return near.close()
        with pytest.raises((OSError, EOFError)) as failed:
            near.add_up(torch.zeros(1))
        near.close()
        return failed.type

    assert together(2, work)[0] is EOFError


def test_several_machines_and_systems_that_give_no_socket_have_no_such_lines(tmp_path, monkeypatch):
    def lines(_, near):
        return near

    assert together(2, lines, local_size=1) == [None, None]
    assert connect(World(), lambda _: pytest.fail("nobody is there to tell")) is None
    deep = tmp_path / ("long" * 30)  # a socket's name has up to 107 bytes
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    assert together(2, lines) == [None, None]
    assert list(deep.iterdir()) == []
