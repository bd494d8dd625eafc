#!/usr/bin/env python3
"""Writes the made part of config/rules/benign.txt: templates filled with words and numbers, the same in every run.

    tests/data/make_benign.py           writes the file anew; what people wrote above the line stays as it is
    tests/data/make_benign.py --check   status 1 when the file is not what it would write
"""
import random
import sys
from pathlib import Path

BENIGN = Path(__file__).resolve().parents[2] / "config/rules/benign.txt"
LINE = "# Made by tests/data/make_benign.py; it writes anew all that stands below this line. " + "-" * 31

PER_TEMPLATE = 12
FIRST = ["Anna", "Ben", "Chloe", "Diego", "Elif", "Farid", "Greta", "Hana", "Ivan", "Jun", "Kofi", "Linh", "Marek", "Noor"]
CITIES = ["Leeds", "Essex", "Osaka", "Hanoi", "Lima", "Tromsø", "Quito", "Assen", "Dakar", "Penang", "Sussex", "Perth"]
THINGS = ["lamp", "kettle", "bass guitar", "brass button", "grass mat", "class set", "compass", "glass bowl", "camera",
          "saddle", "cocktail shaker", "Dickens novel", "shuttlecock", "title page frame", "passport cover"]
TEAMS = ["Arsenal", "Lyon", "Ajax", "Boca", "Celtic", "Porto", "Sparta", "Jeonbuk", "Al Ahly", "Vissel"]
MONTHS = ["January", "March", "May", "June", "August", "October", "December"]
FILES = ["holiday", "essay-v", "scan_", "IMG_", "minutes-", "song_take", "backup."]
ENDINGS = ["pdf", "jpg", "docx", "mp4", "zip", "txt", "png"]
SOFTWARE = ["the app", "firmware", "the game", "Android", "the driver", "the plugin", "OBS"]
NAMES_ZH = ["小明", "阿杰", "老王", "小雨", "婷婷", "大鹏", "思思", "阿强", "丽丽", "子涵"]
THINGS_ZH = ["雨伞", "台灯", "饼干", "体操服", "相机", "牛肉干", "耳机", "消毒液", "书包", "机油", "口红", "毛衣", "茶叶"]
CITIES_ZH = ["成都", "长沙", "哈尔滨", "厦门", "日照", "干县", "桂林", "乌鲁木齐", "台州", "石家庄"]


class Fill:
    """Draws what a template asks for: {name}, {price}, ..."""

    def __init__(self, rng):
        self.rng = rng

    def __getitem__(self, key):
        rng = self.rng
        day, month = rng.randint(1, 28), rng.randint(1, 12)
        return {
            "name": lambda: rng.choice(FIRST), "city": lambda: rng.choice(CITIES), "thing": lambda: rng.choice(THINGS),
            "team": lambda: rng.choice(TEAMS), "other": lambda: rng.choice(["Derby", "Sevilla", "Genoa", "Kobe", "Malmö"]),
            "file": lambda: rng.choice(FILES), "ending": lambda: rng.choice(ENDINGS),
            "software": lambda: rng.choice(SOFTWARE),
            "zname": lambda: rng.choice(NAMES_ZH), "zthing": lambda: rng.choice(THINGS_ZH),
            "zcity": lambda: rng.choice(CITIES_ZH),
            "small": lambda: rng.randint(2, 9), "two": lambda: rng.randint(11, 99), "three": lambda: rng.randint(100, 999),
            "four": lambda: rng.randint(1000, 9999), "price": lambda: f"{rng.randint(1, 400)}.{rng.randint(0, 99):02}",
            "thousands": lambda: f"{rng.randint(1, 90)},{rng.randint(0, 999):03}",
            "date": lambda: f"{rng.randint(2019, 2027)}-{month:02}-{day:02}", "dots": lambda: f"{day}.{month}.20{rng.randint(19, 27)}",
            "slashes": lambda: f"{day:02}/{month:02}/{rng.randint(2019, 2027)}", "day": lambda: f"{day} {rng.choice(MONTHS)}",
            "zdate": lambda: f"{month}月{day}日", "time": lambda: f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}",
            "version": lambda: f"{rng.randint(0, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
            "order": lambda: f"20{rng.randint(19, 27)}{month:02}{day:02}{rng.randint(0, 99999):05}",
            "track": lambda: f"{rng.choice('JRX')}{rng.choice('TBN')}{rng.randint(10**8, 10**9 - 1)}{rng.choice(['GB', 'CN', 'DE'])}",
            "stretch": lambda: rng.choice("oea") * rng.randint(3, 9), "laugh": lambda: "ha" * rng.randint(3, 10),
            "zlaugh": lambda: "哈" * rng.randint(4, 14), "bangs": lambda: "!" * rng.randint(1, 6),
            "emoji": lambda: rng.choice(["🔥", "😂", "👏", "❤️", "🎉", "😭", "✨", "👍🏼"]) * rng.randint(1, 4),
        }[key]()


TEMPLATES = [
    "the {thing} costs ${price}", "paid €{price} for a {thing} in {city}", "{thing}, {small} pieces, ¥{three}",
    "order no. {order} is on its way", "parcel {track} left {city}", "{name} won {small}-{two} on points",
    "{team} {small}:{small} {other}", "{team} vs {other}, kick-off {time}", "see you on {day} at {time}",
    "live again on {date} at {time}", "deadline {dots}, {time}", "born {slashes} in {city}",
    "{name} from {city} says hi", "{name} is at level {two} with {thousands} XP", "{thousands} people watching{bangs}",
    "update {software} to {version}", "{software} {version} crashes on start", "send the file {file}{four}.{ending} to {name}",
    "{file}{two}.{ending} is {price} MB", "room {three}, seat {two}, gate {small}", "bus {two} to {city} at {time}",
    "flight at {time}, gate {two}, {three} km", "{name} ran 10 km in {two}:{two}", "temperature in {city}: {small} °C",
    "s{stretch} good {emoji}", "{laugh} {emoji}", "GO {team} GO{bangs}", "HAPPY BIRTHDAY {name}{bangs} {emoji}",
    "score {three}:{two} after {small} rounds", "chapter {two}, page {three}, line {small}",
    "is the {thing} still for sale, {name}?", "my {thing} broke after {small} weeks :(", "{name}, {name} and I go to {city}",
    "it is {time} in {city}", "{two} % of {thousands}", "{name} - song no. {small}, take {two}", "x{three} combo {emoji}",
    "{zthing}多少钱一个", "{zthing}{price}元包邮", "订单{order}发货了吗", "{zname}在{zcity}看直播", "{zcity}今天{small}度",
    "{zdate}{time}开播", "{zname}生日是{zdate}", "第{two}集第{small}分钟", "{zname}考了{two}分", "{zlaugh}{emoji}",
    "{zthing}买了{small}个，一共{three}块", "{zcity}到{zcity}的火车{time}开", "{team}对{other}，{small}比{small}",
    "{software}升级到{version}了", "{zname}说{zthing}质量不错", "房间里有{four}人", "排在第{three}名{emoji}",
    "{zthing}和{zthing}哪个好", "还差{two}票就赢了", "{zname}的{zthing}落在{zcity}了", "{three}路公交到{zcity}大道",
    "室温{two}度，湿度{two}%", "{zname}走了{four}步", "存了{thousands}元", "密码锁有{small}位数", "{zlaugh}，{zname}太逗了",
    "来自{zcity}的朋友扣{small}", "{zdate}不见不散，{zname}", "快递{track}到{zcity}了",
]


def made(written):
    """The made lines; none that is written already."""
    taken, out = set(written), []
    for number, template in enumerate(TEMPLATES):
        fill = Fill(random.Random(number))
        for _ in range(PER_TEMPLATE * 3):
            text = template
            while "{" in text:  # each place draws anew
                before, _, rest = text.partition("{")
                key, _, after = rest.partition("}")
                text = f"{before}{fill[key]}{after}"
            if text not in taken:
                taken.add(text)
                out.append(text)
            if len(out) >= (number + 1) * PER_TEMPLATE:
                break
    return out


def whole(current):
    """The file as it should be: what people wrote, the line, the made part."""
    written = current.partition(LINE)[0].rstrip("\n").split("\n")
    return "\n".join([*written, "", LINE, *made(written)]) + "\n"


def main():
    current = BENIGN.read_text(encoding="utf-8")
    if sys.argv[1:] == ["--check"]:
        return int(current != whole(current))
    BENIGN.write_text(whole(current), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
