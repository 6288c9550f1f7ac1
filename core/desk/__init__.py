"""The single entry point: everything that a front end or a script can do to the batches of one state.

It may import every other package of `core`; nothing in `core` imports it. `desk.Desk` has a method for each verb. The
duties that go with a verb are inside: waking the process that polls, checking the limit, guarding our own files. A
script submits a file, waits, and reads the answers:

    import asyncio
    from pathlib import Path

    from batchtui.core.desk.desk import open_desk

    async def main() -> None:
        async with open_desk(command="my script") as desk:
            batch = await desk.submit(Path("requests.jsonl"), max_cost=5.0)
            for done in await desk.wait(batch.submission):
                with await desk.results(done) as results:
                    for row in results:
                        print(row.custom_id, row.type, row.text)

    asyncio.run(main())
"""
