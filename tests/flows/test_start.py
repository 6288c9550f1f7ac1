"""The first second of the app."""

import gc


async def test_garbage_is_looked_for_again_once_the_app_has_started(sit, open_one):
    gc.disable()  # as the command line does
    try:
        async with sit(open_one()) as hand:
            await hand.until(gc.isenabled)
    finally:
        gc.unfreeze()
        gc.enable()
