"""Tool proxies: calls, answers, errors, loops and threads."""

import json
import unittest

from rig import Rig, run


def printed(code: str) -> object:
    result = run("import asyncio, json\n" + code)
    if result.ending != (0, None):
        raise AssertionError(result.stderr)
    return json.loads(result.stdout)


class Calls(unittest.TestCase):
    def test_arguments(self) -> None:
        for call, params in {
            "local_tools.echo('a')": {"text": "a"},
            "local_tools.echo('a', 2)": {"text": "a", "times": 2},
            "local_tools.echo('a', times=[1, {'b': None}])": {"text": "a", "times": [1, {"b": None}]},
            "local_tools.echo(text='✓\\ud800')": {"text": "✓\ud800"},
            "local_tools.echo(other=1)": {"other": 1},
        }.items():
            with self.subTest(call):
                self.assertEqual(printed(f"print(json.dumps(await {call}))"), {"params": params, "tool": "local_tools.echo"})

    def test_tool_call(self) -> None:
        result = run(
            "print(await agent_io_tools.tool_call(fn=local_tools.echo, params={'text': 'x'}, call_reason='because', tool_id='local_tools.echo'))\n"
            "await agent_io_tools.tool_call(tool_id='local_tools.echo')\n"
            "await agent_io_tools.tool_call(fn=local_tools.echo)\n"
        )
        self.assertEqual(result.ending, (0, None), result.stderr)
        calls = [(call["tool_id"], call["params"], call["reason"]) for call in result.messages]
        self.assertEqual(calls[0], ("local_tools.echo", {"text": "x"}, "because"))
        self.assertEqual(calls[1:], [("local_tools.echo", {}, None)] * 2)
        self.assertEqual(len({call["id"] for call in result.messages}), 3)

    def test_an_alias_of_the_same_name_keeps_its_tools(self) -> None:
        tools = [{"alias": "agent_io_tools", "tools": [{"name": "echo", "params": [], "doc": ""}]}]
        result = run("await agent_io_tools.echo()\nawait agent_io_tools.tool_call(tool_id='agent_io_tools.echo')", tools=tools)
        self.assertEqual([call["tool_id"] for call in result.messages], ["agent_io_tools.echo"] * 2)

    def test_a_call_that_is_given_up_is_told(self) -> None:
        code = (
            "import asyncio\ntry:\n    await asyncio.wait_for(local_tools.silent(), 0.05)\nexcept asyncio.TimeoutError:\n    pass\n"
            "print((await local_tools.echo('on'))['params'])"
        )
        result = run(code)
        self.assertEqual((result.ending, result.stdout), ((0, None), "{'text': 'on'}\n"))
        self.assertEqual([message["t"] for message in result.messages], ["call", "cancel", "call"])
        self.assertEqual(result.messages[1], {"t": "cancel", "id": result.messages[0]["id"]})

    def test_many_large_answers_at_once_all_arrive(self) -> None:
        code = (
            "import asyncio\ncalls = asyncio.gather(*[local_tools.silent() for _ in range(12)])\n"
            "while not calls.done():\n    sum(range(2_000_000))  # takes no answer meanwhile\n    await asyncio.sleep(0)\n"
            "print(sum(map(len, await calls)))"
        )
        with Rig() as rig:
            rig.send_job(code)
            ids = [json.loads(rig.wait_for("C"))["id"] for _ in range(12)]
            for call_id in ids:
                rig.send(b"A", {"id": call_id, "ok": True, "ret": "x" * 5_000_000})
            result = rig.follow()
        self.assertEqual((result.ending, result.stdout, result.problems), ((0, None), "60000000\n", []))

    def test_refused_before_it_is_sent(self) -> None:
        for call, code, words in (
            ("local_tools.echo(1, 2, 3)", "invalid_params", "takes 2 positional arguments, 3 were given"),
            ("local_tools.echo('a', text='b')", "invalid_params", "two values for 'text'"),
            ("local_tools.echo(text={1, 2})", "invalid_params", "parameter 'text'"),
            ("local_tools.echo(text=float('nan'))", "invalid_params", "parameter 'text'"),
            ("local_tools.echo(text={'a': [-(2**53)]})", "invalid_params", "send it as a string"),
            ("local_tools.echo(text=nested)", "invalid_params", "nested"),
            ("local_tools.echo(text=endless)", "invalid_params", "parameter 'text'"),
            ("local_tools.echo(text='x' * 9_000_000)", "call_too_large", "8388608"),
            ("local_tools.echo(text=[{'k%d' % n: n for n in range(100_000)}])", "call_too_large", "100001 named values"),
            ("agent_io_tools.tool_call(params={})", "invalid_params", "tool_id"),
            ("agent_io_tools.tool_call(fn=local_tools.echo, tool_id='local_tools.fail')", "invalid_params", "local_tools.fail"),
            ("agent_io_tools.tool_call(fn=print)", "invalid_params", "fn must be a tool"),
            ("agent_io_tools.tool_call(tool_id='local_tools.echo', params=[1])", "invalid_params", "params must be a dict"),
            ("agent_io_tools.tool_call(tool_id='local_tools.echo', params={1: 2})", "invalid_params", "must be a string"),
        ):
            with self.subTest(call):
                result = run(
                    "nested = 1\nfor _ in range(5000): nested = [nested]\nendless = []; endless.append(endless)\n"
                    f"try:\n    await {call}\nexcept ToolError as e:\n    print(e.code, '|', e.message)"
                )
                self.assertTrue(result.stdout.startswith(code + " |"), result.stdout + result.stderr)
                self.assertIn(words, result.stdout)
                self.assertEqual(result.messages, [])

    def test_unknown_name_lists_what_exists(self) -> None:
        result = run("local_tools.nope")
        self.assertIn("local_tools has: echo, fail, silent", result.stderr)

    def test_failure(self) -> None:
        code = "try:\n    await local_tools.fail()\nexcept ToolError as e:\n    print(json.dumps([e.code, e.message, type(e).__name__]))"
        self.assertEqual(printed(code), ["tool_failed", "it always fails", "ToolError"])


class Loops(unittest.TestCase):
    def test_gather_keeps_siblings(self) -> None:
        code = (
            "calls = [local_tools.echo(n) for n in range(50)] + [local_tools.fail(), local_tools.echo(1, 2, 3)]\n"
            "got = await asyncio.gather(*calls, return_exceptions=True)\n"
            "print(json.dumps([[g['params']['text'] for g in got[:50]], got[50].code, got[51].code]))"
        )
        self.assertEqual(printed(code), [list(range(50)), "tool_failed", "invalid_params"])

    def test_every_way_to_await(self) -> None:
        for way in (
            "asyncio.run(local_tools.echo('x'))",
            "asyncio.new_event_loop().run_until_complete(local_tools.echo('x'))",
            "asyncio.run(asyncio.wait_for(local_tools.echo('x'), 30))",
        ):
            with self.subTest(way):
                self.assertEqual(printed(f"print(json.dumps({way}['params']))"), {"text": "x"})
        self.assertEqual(
            printed("print(json.dumps((await asyncio.create_task(local_tools.echo('x')))['params']))"), {"text": "x"}
        )

    def test_loops_in_threads_side_by_side(self) -> None:
        code = (
            "import threading\nout = {}\n"
            "def work(n):\n    out[n] = asyncio.run(local_tools.echo(n))['params']['text']\n"
            "threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]\n"
            "[t.start() for t in threads]; [t.join() for t in threads]\n"
            "print(json.dumps([out[n] for n in range(8)]))"
        )
        self.assertEqual(printed(code), list(range(8)))

    def test_a_timeout_leaves_the_others_alone(self) -> None:
        code = (
            "try:\n    await asyncio.wait_for(local_tools.silent(), 0.05)\nexcept asyncio.TimeoutError:\n    pass\n"
            "print(json.dumps((await local_tools.echo('still'))['params']))"
        )
        self.assertEqual(printed(code), {"text": "still"})

    def test_awaited_twice(self) -> None:
        result = run("c = local_tools.echo('x')\nawait c\nawait c")
        self.assertIn("was awaited before", result.stderr)

    def test_a_pending_call_does_not_hold_the_program(self) -> None:
        code = "import asyncio\nt = asyncio.create_task(local_tools.silent())\nawait asyncio.sleep(0.05)\nprint('done')"
        result = run(code)
        self.assertEqual((result.stdout, result.ending), ("done\n", (0, None)))

    def test_large_call_and_answer(self) -> None:
        self.assertEqual(
            printed("print(json.dumps(len((await local_tools.echo('x' * 4_000_000))['params']['text'])))"), 4_000_000
        )

    def test_calls_of_forked_children_are_refused(self) -> None:
        code = (
            "import os\npid = os.fork()\nif pid == 0:\n"
            "    try:\n        asyncio.run(local_tools.echo('x'))\n    except ToolError as e:\n        print(json.dumps(e.code))\n"
            "    os._exit(0)\nos.waitpid(pid, 0)"
        )
        self.assertEqual(printed(code), "tool_not_allowed")


class NeverAwaited(unittest.TestCase):
    def test_dropped_and_kept(self) -> None:
        for code in ("x = 1\nlocal_tools.echo('a')\n", "x = 1\nkept = local_tools.echo('a')\n"):
            with self.subTest(code):
                result = run(code)
                warning = result.message("warning")
                self.assertEqual(warning["line"], 2)
                self.assertIn("local_tools.echo was never awaited", warning["message"])
                self.assertIn("main.py:2: RuntimeWarning: tool call local_tools.echo was never awaited", result.stderr)
                self.assertEqual(result.ending, (0, None))

    def test_on_every_way_out(self) -> None:
        for end in ("raise SystemExit(3)", "raise ValueError", "await local_tools.echo('other')"):
            with self.subTest(end):
                self.assertEqual(run(f"kept = local_tools.fail()\n{end}").message("warning")["line"], 1)
