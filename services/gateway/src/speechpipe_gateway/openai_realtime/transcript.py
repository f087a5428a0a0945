"""Text that only grows, out of captions whose finals may say something else than was settled before them."""

from difflib import SequenceMatcher

from speechpipe_gateway.session.stabilising import UNSPACED, key_of, tokens_of


def remainder(told: str, final: str, language: str) -> str:
    """What is still to be said of a final after ``told``, which cannot be taken back.

    Where ``told`` is how the final begins, both together are the final. Else the words of both are aligned, without
    regard to case and punctuation, and what follows the last word that was told is what is left.
    """
    if final.startswith(told):
        return final[len(told) :]
    before, words = tokens_of(told, language), tokens_of(final, language)
    matcher = SequenceMatcher(a=[key_of(t) for t in before], b=[key_of(t) for t in words], autojunk=False)
    told_until = said_until = 0
    for block in matcher.get_matching_blocks():
        if block.size:
            told_until, said_until = block.a + block.size, block.b + block.size
    return "".join(words[said_until + len(before) - told_until :])


def separator(before: str, language: str) -> str:
    """What stands between two segments of one item."""
    return " " if before and language not in UNSPACED else ""
