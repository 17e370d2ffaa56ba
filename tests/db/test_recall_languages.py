"""Small conversations in eight languages, each question with its answer in them."""

# ruff: noqa: RUF001  (texts in many languages)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.past import Past

from remanence.core.archival import PassageQuery
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

# What is said in each language, with a question about it or None. Each has fillers of its own.
TALKS: dict[str, list[tuple[str, str | None]]] = {
    "en": [
        ("We adopted a beagle called Biscuit in spring", "What is our dog called?"),
        ("The deploy failed with ERR-4471 until I cleared the cache", "how was ERR-4471 fixed"),
        ("My sister Nora moved to Lisbon", "Which city does my sister live in now?"),
        ("I hate coriander in any dish", "Is there any food I dislike?"),
        ("Nice weather today", None),
        ("Talk to you later", None),
    ],
    "zh": [
        ("我家养了一只柯基，叫年糕", "我的狗叫什么名字"),
        ("部署报错ERR-4471，清了缓存才好", "ERR-4471怎么解决的"),
        ("我妹妹搬到成都了", "妹妹现在住在哪个城市"),
        ("我对花生过敏", "我有什么忌口"),
        ("今天天气不错", None),
        ("回头再聊", None),
    ],
    "ja": [
        ("春に柴犬を飼い始めました。名前はきなこです", "飼っている犬の名前は何ですか"),
        ("ERR-4471はキャッシュを消したら直りました", "ERR-4471はどうやって解決しましたか"),
        ("妹は大阪に引っ越しました", "妹はどこに住んでいますか"),
        ("エビのアレルギーがあります", "食べ物のアレルギーは何ですか"),
        ("今日はいい天気ですね", None),
        ("また後で", None),
    ],
    "ko": [
        ("봄에 강아지를 입양했어요. 이름은 콩이예요", "우리 강아지 이름이 뭐예요?"),
        ("ERR-4471 오류는 캐시를 지우니 해결됐어요", "ERR-4471은 어떻게 해결했어요?"),
        ("여동생이 부산으로 이사했어요", "여동생은 어디에 살아요?"),
        ("저는 새우 알레르기가 있어요", "제가 못 먹는 음식은 무슨 알레르기예요?"),
        ("오늘 날씨가 좋네요", None),
        ("나중에 봐요", None),
    ],
    "th": [
        ("เราเลี้ยงหมาตัวใหม่ชื่อขนุน", "หมาของเราชื่ออะไร"),
        ("ERR-4471 หายหลังจากล้างแคช", "แก้ ERR-4471 อย่างไร"),
        ("น้องสาวย้ายไปอยู่เชียงใหม่", "น้องสาวอยู่ที่ไหน"),
        ("ฉันแพ้กุ้ง", "ฉันแพ้อาหารอะไร"),
        ("วันนี้อากาศดี", None),
        ("ไว้คุยกันใหม่", None),
    ],
    "ru": [
        ("Весной мы взяли собаку, её зовут Плюшка", "Как зовут нашу собаку?"),
        ("Ошибка ERR-4471 исчезла после очистки кэша", "Как исправили ERR-4471?"),
        ("Моя сестра переехала в Казань", "В каком городе живёт сестра?"),
        ("У меня аллергия на креветки", "На что у меня аллергия?"),
        ("Сегодня хорошая погода", None),
        ("Поговорим позже", None),
    ],
    "ar": [
        ("تبنينا كلبا في الربيع اسمه فستق", "ما اسم الكلب؟"),
        ("اختفى الخطأ ERR-4471 بعد مسح الذاكرة المؤقتة", "كيف حل الخطأ ERR-4471؟"),
        ("انتقلت أختي إلى مدينة الدار البيضاء", "أين تسكن أختي؟"),
        ("عندي حساسية من الروبيان", "ما هي الحساسية التي عندي؟"),
        ("الطقس جميل اليوم", None),
        ("نتحدث لاحقا", None),
    ],
    "de": [
        ("Im Frühling haben wir einen Hund namens Krümel geholt", "Wie heißt unser Hund?"),
        ("ERR-4471 verschwand nach dem Leeren des Zwischenspeichers", "Was half gegen ERR-4471?"),
        ("Meine Schwester ist nach Köln gezogen", "Wo wohnt meine Schwester?"),
        ("Ich habe eine Allergie gegen Erdnüsse", "Welche Allergien habe ich?"),
        ("Schönes Wetter heute", None),
        ("Bis später", None),
    ],
}


@pytest.fixture(scope="module")
def recall(database: Database) -> Generator[PostgresRecall]:
    source = OneConnection(database.app_uri)
    yield PostgresRecall(Queries(source))
    source.close()


@pytest.mark.parametrize("language", TALKS)
def test_every_question_finds_its_answer_among_the_first_two(
    recall: PostgresRecall, database: Database, language: str
) -> None:
    past = Past(database.app_uri)
    thread = past.agent()
    archive = past.archive(thread.agent_id)
    for text, _ in TALKS[language]:
        past.message(thread, "user", text)
        past.passage(archive, text)

    missed: list[str] = []
    for text, question in TALKS[language]:
        if question is None:
            continue
        heard = recall.search_messages(
            ORG,
            agent_id=thread.agent_id,
            query=question,
            roles=(),
            limit=2,
            start=None,
            end=None,
        )
        kept = recall.find_passages(
            ORG, PassageQuery(query=question, agent_id=thread.agent_id, limit=2)
        )
        said = [hit.message.parts[0].text for hit in heard]  # type: ignore[union-attr]
        if text not in said or text not in [hit.record.passage.text for hit in kept]:
            missed.append(question)

    assert missed == []


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Meet me at the Café Größenwahn", "cafe grossenwahn"),
        ("ＡＢＣ－１２３ を注文した", "abc-123"),
        ("the release is v2.14.3", "v2.14.3"),
        ("call parse_user_input() first", "parse_user_input"),
        ("write to ann.lee@example.org", "ann.lee@example.org"),
        ("it costs 1299.50 euros", "1299.50"),
        ("order JD16404138 is late", "JD16404138"),
        ("see /etc/hosts for that", "/etc/hosts"),
        ("项目文档迁到Grafana了", "grafana"),
        ("Zażółć gęślą jaźń", "zazolc"),
        ("Ёлка стоит в углу", "елка"),
    ],
)
def test_names_codes_and_accents_are_found_as_they_are_typed(
    recall: PostgresRecall, database: Database, text: str, question: str
) -> None:
    past = Past(database.app_uri)
    agent_id = past.agent().agent_id
    archive = past.archive(agent_id)
    past.passage(archive, text)

    (found,) = recall.find_passages(ORG, PassageQuery(query=question, agent_id=agent_id))

    assert found.record.passage.text == text
