"""The reason for which an inspection refuses an image, before it is known what the image is called."""


class Malformed(Exception):
    """Never leaves this package: it becomes ``ImageRejected``.

    Args:
        why: what is wrong, as the end of a sentence that begins with the image's name.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why
