"""docs/format/corrections.md, 2.3: tokens, as predicted or listed."""

from .deflate import WINDOW, plain_bytes
from .fields import need

LENGTHS, FIRST_DISTANCE, MAX_PLACES = 260, 512, 512
MAX_NEAR, NEAR_TOKENS = 258, 16


class Listing:
    """`at` is the predicted token that covers the place, and `start` where it begins."""

    def __init__(self, tokens, channels, plain):
        self.tokens, self.channels, self.plain = tokens, channels, plain
        self.at = self.start = 0
        self.listing, self.run, self.literals = True, 0, 0
        self.history = History(plain)

    def is_at_end(self):
        return not self.run and not self.literals

    def next(self, place):
        """The token at a place."""
        need(place < len(self.plain), "corrections: tokens behind the end")
        while self.start + plain_bytes(self.tokens[self.at]) <= place:
            self.start += plain_bytes(self.tokens[self.at])
            self.at += 1
        if self.listing and self.start == place:
            need(not self.literals, "corrections: literals where a predicted token begins")
            self.listing, self.run = False, self.channels.runs.take()
        if self.run:
            self.run -= 1
            need(self.start == place, "corrections: a run within a token")
            return self.tokens[self.at]
        self.listing = True
        if not self.literals:
            number = self.channels.kinds.take()
            if number <= 3:
                return self.match(place, number & 1, number & 2)
            self.literals = number - 3
        self.literals -= 1
        return self.plain[place]

    def near(self, place):
        """What a match here would be, of the predicted one nearby: its length and its distance."""
        start = self.start
        for token in self.tokens[self.at : self.at + NEAR_TOKENS]:
            if start >= place + MAX_NEAR:
                break
            end = start + plain_bytes(token)
            if not isinstance(token, int) and end > place:
                return end - place if 3 <= end - place <= 258 else None, token[1]
            start = end
        return None, None

    def match(self, place, has_length, has_distance):
        length, distance = self.near(place)
        found = self.history.find(place) if has_length or has_distance else []
        if has_length:
            less = self.channels.lengths.take(LENGTHS - 1)
            length = (max((one for one, _ in found), default=3) - less) % LENGTHS
        need(length is not None and 3 <= length <= 259, "corrections: a match without length")
        if has_distance:
            number = self.channels.distances.take(FIRST_DISTANCE + WINDOW)
            ranked = [one for longest, one in found if longest >= min(length, 258)]
            need(number >= FIRST_DISTANCE or number < len(ranked), "corrections: a rank")
            distance = number - FIRST_DISTANCE if number >= FIRST_DISTANCE else ranked[number]
        need(distance and distance <= min(WINDOW, place), "corrections: a match without distance")
        need(place + min(length, 258) <= len(self.plain), "corrections: a match behind the end")
        return length, distance


class History:
    """Places by the hash of the three bytes there."""

    def __init__(self, plain):
        self.plain, self.places, self.upto = plain, {}, 0

    def hash(self, at):
        return (int.from_bytes(self.plain[at : at + 3], "big") * 0x9E3779B1 & 0xFFFFFFFF) >> 17

    def find(self, place):
        """(length, distance) of the matches at a place, the nearest first."""
        plain, found = self.plain, []
        for at in range(max(self.upto, place - WINDOW), min(place, len(plain) - 2)):
            self.places.setdefault(self.hash(at), []).append(at)
        self.upto = max(self.upto, place)
        most = min(258, len(plain) - place)
        if most < 3:
            return []
        for at in reversed(self.places.get(self.hash(place), [])[-MAX_PLACES:]):
            if place - at > WINDOW:
                break
            length = 0
            while length < most and plain[at + length] == plain[place + length]:
                length += 1
            if length >= 3:
                found.append((length, place - at))
            if length == most:
                break
        return found
