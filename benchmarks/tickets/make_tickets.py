"""Make the made-up messages to the support desk of a shop that does not exist.

Nobody wrote these messages to anybody. They are put together from parts by chance, with a fixed
seed, so that a task with five queues can be shown whose texts may lie in the repository. What a
model gets right here says how tunebench works and nothing about anybody's real tickets.

What a writer wants is said in 16 ways a queue. Eight of them are in ``train.csv`` alone and eight
in ``test.csv`` alone, so that a model cannot do well by heart. The column ``wording`` names the way
of each message: messages of one wording are much alike, so they count as one group.

    python benchmarks/tickets/make_tickets.py      # writes the same files again
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

ROWS = {"train": 700, "test": 200}
SEED = 20

# What the writer wants decides the queue; all else in a ticket is shared by the queues.
WANTS = {
    "Billing": [
        "the amount on my card is {sum} more than the price shown for the {thing}",
        "you took the money for the {thing} twice",
        "please send an invoice for the {thing} made out to my firm",
        "the discount code was accepted but the total never changed",
        "why is there a charge of {sum} that I do not recognise",
        "I was promised {sum} back and my bank has seen nothing of it",
        "the receipt shows the wrong tax number",
        "can I pay for the {thing} in three parts instead of at once",
        "my card was declined although there is enough on it",
        "the gift card still shows its full value after I spent {sum}",
        "the yearly fee went up by {sum} without a word",
        "I need a copy of last month's bill",
        "the price changed between the basket and the statement",
        "please take {sum} off, as the advert said",
        "your statement lists two subscriptions and I have one",
        "which of these payments is for the {thing}",
    ],
    "Delivery": [
        "the {thing} should have been here {when} and has not come",
        "the tracking page has said the same thing for {days} days",
        "the driver left the {thing} with a neighbour we do not have",
        "can you bring the {thing} after six, I work until then",
        "the parcel went to my old flat",
        "only one of the two boxes arrived",
        "please hold the {thing} until we are back from holiday",
        "the courier says the address does not exist",
        "how long does it take to send a {thing} abroad",
        "it says handed over, but nobody rang our bell",
        "where is the {thing} now",
        "can someone carry the {thing} up to the third floor",
        "the {thing} is stuck at customs and they want papers from you",
        "I would like to pick the {thing} up at the shop instead",
        "the promised day passed and no van came",
        "send it to my office, not to my home",
    ],
    "Returns": [
        "the {thing} came with a crack and I want another one",
        "how do I send the {thing} back",
        "the {thing} is the wrong colour, please swap it",
        "the {thing} stopped working after {days} days and should be replaced",
        "I changed my mind about the {thing} and it is still sealed",
        "the label for sending the {thing} back does not print",
        "you sent a {thing} and I had ordered something else",
        "is {days} days too late to give the {thing} back",
        "a part is missing, so this goes back to you",
        "the {thing} is too big for us, can I exchange it for the small one",
        "who pays the postage when a faulty {thing} goes back",
        "the shop would not take the {thing} back without its box",
        "I sent the {thing} back {when}, has it reached your store",
        "the {thing} smells burnt and I do not want to keep it",
        "two came instead of one, what shall I do with the second",
        "please collect the broken {thing} from my home",
    ],
    "Account access": [
        "the page says my password is wrong and it is not",
        "the code to sign in never reaches my phone",
        "I lost the phone with the app that makes the codes",
        "I am locked out after three tries",
        "the link for a new password has run out every time I open it",
        "my user name is unknown all of a sudden",
        "I no longer have the mail address that I signed up with",
        "somebody else seems to be signed in as me",
        "the site throws me out a minute after I get in",
        "please unlock my profile",
        "how do I change the number that the codes are sent to",
        "my wife and I cannot both be signed in",
        "it asks for a security question that I never set",
        "the app only shows a blank page after I type my password",
        "I get in on the laptop but not on the phone",
        "the reset mail does not come",
    ],
    "Account closure": [
        "please delete my profile and all that belongs to it",
        "I do not want to be a customer any more, remove me",
        "how do I shut my account for good",
        "take my name and address out of your files",
        "my late father had an account with you that should be closed",
        "end my membership at the end of the month",
        "I have two profiles, please remove the older one",
        "erase my data, as the law lets me ask",
        "I closed it {when} and still get your mails",
        "what happens to my points when I leave",
        "the button to leave is greyed out",
        "cancel everything, I am moving to another shop",
        "I want written word that nothing about me is kept",
        "please stop my profile before it renews",
        "I opened it by mistake and never used it, take it away",
        "we are closing our firm and need no login any more",
    ],
}
SHARES = {
    "Billing": 25,
    "Delivery": 30,
    "Returns": 20,
    "Account access": 15,
    "Account closure": 10,
}
OPENERS = [
    "Hello,", "Hi there.", "Good morning,", "To whom it may concern:", "Hey,", "Dear team,", "", "",
    "", "Second time I write.", "Quick question:", "I hope you can help.",
    "Sorry to bother you,",
]  # fmt: skip
CONTEXTS = [
    "I paid for the {thing} {when}.", "I signed in {when} to look at my order.",
    "The {thing} was a present for my {who}.", "My {who} ordered it through my account.",
    "The parcel with the {thing} came {when}.", "I have been a customer for {days} years.",
    "The bill for the {thing} was {sum}.", "I returned a {thing} once before without trouble.",
    "Your courier was here {when}.", "My password is stored in the browser.",
    "I already wrote to you {when}.", "The person on the phone was kind but could not help.",
    "The order number is on the slip.", "I used the gift card of my {who}.",
    "We moved house {when}.", "My {who} says the {thing} is fine.", "I looked at your help page.",
    "The refund for the {thing} came through.", "I may delete the app and start anew.",
    "", "", "", "",
]  # fmt: skip
CLOSERS = [
    "Thanks.", "Please answer soon.", "Best wishes", "I am waiting for your call.", "", "", "", "",
    "This is urgent!", "No hurry.", "What should I do?", "Can you look into it?", "Not good.",
]  # fmt: skip
FILLS = {
    "thing": ["kettle", "desk lamp", "rucksack", "radio", "bicycle pump", "chair", "pair of boots",
              "blender", "tent", "keyboard", "rug", "toaster", "headset", "raincoat", "clock"],
    "sum": ["4 euros", "12.50", "30 euros", "7.99", "a hundred", "19 euros", "2.40"],
    "when": ["yesterday", "last week", "on Monday", "two weeks ago", "in March", "on the 3rd",
             "this morning", "before Easter"],
    "days": ["3", "5", "10", "12", "20", "31"],
    "who": ["sister", "husband", "son", "colleague", "mother", "neighbour"],
}  # fmt: skip


def ticket(wants: list[str], chance: random.Random) -> tuple[str, str]:
    """A message whose writer wants one of these things, and which of them."""

    def filled(part: str) -> str:
        return part.format_map({name: chance.choice(words) for name, words in FILLS.items()})

    wording = chance.choice(wants)
    want = filled(wording)
    want = want[0].upper() + want[1:] + chance.choice([".", ".", ".", "!", "?", " ..."])
    sentences = [want]
    for context in chance.sample(CONTEXTS, 2):
        sentences.insert(chance.randint(0, len(sentences)), filled(context))
    sentences = [chance.choice(OPENERS), *sentences, chance.choice(CLOSERS)]
    text = " ".join(sentence for sentence in sentences if sentence)
    return (_typo(text, chance) if chance.random() < 0.3 else text), wording


def _typo(text: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(text) - 1)
    return chance.choice([text.lower(), text[:place] + text[place + 1 :]])


def main() -> None:
    """Write both files beside this one; no message stands in them twice."""
    chance = random.Random(SEED)
    rows: dict[str, tuple[str, str]] = {}
    for number, (name, count) in enumerate(ROWS.items()):
        before = len(rows)
        while len(rows) < before + count:
            [queue] = chance.choices(list(SHARES), list(SHARES.values()))
            text, wording = ticket(WANTS[queue][number::2], chance)
            rows.setdefault(text, (queue, f"{queue} {1 + WANTS[queue].index(wording)}"))
        path = Path(__file__).with_name(f"{name}.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["message", "queue", "wording"])
            writer.writerows([text, *of_text] for text, of_text in list(rows.items())[before:])


if __name__ == "__main__":
    main()
