"""Everyday words that people use for one another when they talk about their lives. Pure data.

Path: core.ranking -> related_words. Somebody tells of a "dog" and later asks about a "pet", tells
it in one language and asks in another. Each group is one meaning; a word in several groups has
several. Words without spaces around them (Chinese, Japanese, Korean, Thai) are looked for inside
the question, all others as whole words.
"""

# ruff: noqa: RUF001  (words of many languages)

from __future__ import annotations

import re
from functools import cache

# More would make the question about everything.
MAX_RELATED = 60

_UNSPACED = r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_SPACED_WORD = r"[^\W\d_\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"

_GROUPS = """
wife|spouse|husband|partner|妻子|老婆|太太|爱人|媳妇|丈夫|老公|先生|妻|夫|아내|남편|ehefrau|ehemann|жена|муж
girlfriend|boyfriend|女朋友|男朋友|女友|男友|对象|彼女|彼氏|여자친구|남자친구|freundin|freund
child|children|kid|kids|son|daughter|baby|孩子|小孩|儿子|女儿|宝宝|娃|子供|息子|娘|아이|아들|딸|kinder|kind|sohn|tochter|ребенок|дети|сын|дочь|ลูก
parents|mother|father|mom|mum|dad|父母|爸爸|妈妈|父亲|母亲|爸|妈|両親|母|父|부모|엄마|아빠|eltern|mutter|vater|мама|папа|родители
brother|sister|sibling|兄弟|姐妹|哥哥|弟弟|姐姐|妹妹|兄|弟|姉|妹|형|누나|동생|bruder|schwester|брат|сестра
grandmother|grandfather|grandma|grandpa|爷爷|奶奶|外公|外婆|姥姥|姥爷|祖母|祖父|할머니|할아버지|oma|opa|бабушка|дедушка
friend|friends|buddy|pal|朋友|好友|哥们|闺蜜|友達|친구|freunde|друг|друзья|เพื่อน
colleague|coworker|teammate|同事|同僚|동료|kollege|kollegin|коллега
boss|manager|supervisor|领导|老板|上司|经理|主管|상사|chef|vorgesetzter|начальник
neighbor|neighbour|邻居|隣人|이웃|nachbar|nachbarin|сосед|соседка
roommate|flatmate|室友|舍友|ルームメイト|룸메이트|mitbewohner
landlord|房东|大家さん|집주인|vermieter
pet|pets|dog|cat|puppy|kitten|animal|宠物|小动物|狗|猫|小狗|小猫|养了|养的|ペット|犬|애완동물|강아지|고양이|haustier|hund|katze|собака|кошка|питомец|สัตว์เลี้ยง|หมา|แมว
company|employer|firm|公司|雇主|单位|东家|会社|회사|firma|arbeitgeber|компания|работодатель|บริษัท
job|work|career|occupation|profession|position|工作|职业|岗位|职位|上班|仕事|직업|직장|arbeit|beruf|stelle|работа|профессия|งาน
hired|joined|offer|onboard|入职|录用|录取|新公司|就职|跳槽|换工作|offer|入社|입사|eingestellt
resign|quit|resigned|fired|离职|辞职|退職|퇴사|kündigen|gekündigt|уволился
salary|wage|pay|paycheck|income|工资|薪水|薪资|收入|月薪|发薪|給料|월급|gehalt|lohn|зарплата|เงินเดือน
car|vehicle|auto|automobile|车|车子|汽车|座驾|轿车|车辆|車|자동차|차|wagen|машина|автомобиль|รถ
fault|broken|problem|issue|trouble|malfunction|毛病|故障|问题|坏了|异常|异响|不对劲|故障|고장|defekt|kaputt|поломка|เสีย
bike|bicycle|cycling|自行车|单车|骑车|自転車|자전거|fahrrad|велосипед
train|railway|车次|火车|高铁|动车|列車|電車|기차|zug|bahn|поезд|รถไฟ
flight|plane|airplane|fly|航班|飞机|机票|登机|飛行機|비행기|flug|flugzeug|самолет|рейс|เครื่องบิน
trip|travel|journey|vacation|holiday|tour|getaway|旅行|旅游|度假|出差|行程|旅行|여행|reise|urlaub|путешествие|отпуск|поездка|เที่ยว
timezone|jetlag|作息|生物钟|时差|倒时差|時差|시차|zeitverschiebung
hotel|accommodation|lodging|酒店|旅馆|宾馆|住处|住宿|民宿|旅館|ホテル|호텔|숙소|unterkunft|гостиница|отель|โรงแรม
move|moved|relocate|relocated|moving|搬家|搬到|搬去|换城市|迁居|定居|引っ越し|이사|umziehen|umgezogen|umzug|переехал|переезд|ย้าย
live|lives|reside|residence|hometown|住在|居住|住址|家在|住哪|城市|住んで|살아|wohnen|wohnt|живет|живу|อยู่
house|home|apartment|flat|房子|公寓|家|住房|住宅|家|집|아파트|wohnung|haus|квартира|дом|บ้าน
rent|lease|房租|租金|住房开销|租房|家賃|월세|miete|аренда|ค่าเช่า
mortgage|loan|贷款|月供|房贷|还款|按揭|ローン|대출|kredit|darlehen|кредит|ипотека
invoice|receipt|bill|发票|票据|账单|收据|領収書|영수증|rechnung|quittung|счет|чек
cost|price|expense|budget|money|价格|多少钱|费用|开销|花费|预算|値段|가격|비용|preis|kosten|цена|стоит|ราคา
bank|account|card|银行卡|工资卡|信用卡|账户|卡号|尾号|口座|계좌|konto|карта|счет
password|passcode|passphrase|pin|credentials|密码|口令|密钥|パスワード|비밀번호|passwort|kennwort|пароль|รหัสผ่าน
wifi|wi-fi|internet|network|router|上网|网络|无线网|路由器|ネット|인터넷|와이파이|wlan|интернет
school|kindergarten|college|university|学校|上学|念书|读书|年级|小学|中学|大学|就读|幼儿园|学校|학교|schule|universität|школа|университет|โรงเรียน
study|studying|learn|learning|course|学习|学|课程|自学|勉強|공부|lernen|studium|учеба|учить|เรียน
exam|test|quiz|考试|考过|通过了|测验|试験|試験|시험|prüfung|экзамен|สอบ
teacher|professor|tutor|coach|trainer|老师|教授|教练|導師|先生|선생님|코치|lehrer|учитель|тренер|ครู
doctor|hospital|clinic|physician|医生|医院|诊所|大夫|看病|医者|病院|의사|병원|arzt|ärztin|krankenhaus|врач|больница|หมอ
medicine|medication|drug|pills|prescription|药|药物|开药|吃药|开了|薬|약|medikament|tabletten|лекарство|ยา
injured|injury|hurt|wound|accident|受伤|摔|摔了|摔倒|擦伤|骨折|怪我|부상|다쳤|verletzt|unfall|травма|บาดเจ็บ
sick|ill|illness|disease|flu|生病|感冒|发烧|不舒服|病気|병|아파|krank|krankheit|болезнь|болен|ป่วย
tooth|teeth|dentist|牙|牙医|牙齿|拔牙|智齿|歯|치과|이빨|zahn|zahnarzt|зуб|ฟัน
allergy|allergic|allergies|intolerance|过敏|忌口|不能吃|起疹子|アレルギー|알레르기|allergie|allergisch|аллергия|แพ้
avoid|dislike|hate|refuse|避开|不要|不吃|讨厌|不喜欢|难受|绝对不|嫌い|싫어|vermeiden|hassen|избегать|ненавидеть|เกลียด
fear|afraid|scared|phobia|害怕|恐惧|怕|恐高|高空|怖い|무서워|angst|страх|боится|กลัว
climb|climbing|mountain|hike|hiking|爬山|登山|攀岩|徒步|高空|登山|등산|klettern|wandern|berg|горы|поход|ปีนเขา
eat|food|meal|dish|cuisine|cook|cooking|吃|食物|食材|饭|菜|外卖|做饭|做菜|拿手菜|点餐|料理|食べ|음식|요리|essen|kochen|gericht|еда|готовить|อาหาร
restaurant|dinner|lunch|diner|餐厅|饭店|晚饭|午饭|晚餐|午餐|レストラン|식당|저녁|abendessen|ресторан|ужин|ร้านอาหาร
taste|smell|flavor|味道|口味|味|맛|geschmack|вкус
seafood|fish|shrimp|海鲜|鱼|虾|海産物|해산물|meeresfrüchte|fisch|морепродукты|рыба
coffee|espresso|咖啡|コーヒー|커피|kaffee|кофе|กาแฟ
tea|茶|绿茶|红茶|お茶|차|tee|чай|ชา
drink|beverage|wine|beer|alcohol|饮料|喝|酒|饮品|飲み物|술|음료|trinken|getränk|напиток|пить|เครื่องดื่ม
exercise|workout|gym|fitness|training|sport|sports|锻炼|健身|运动|训练|跑步|健身房|運動|ジム|운동|헬스|sport|training|fitnessstudio|спорт|тренировка|ออกกำลังกาย
run|running|marathon|jog|jogging|跑步|跑完|马拉松|全马|半马|长跑|マラソン|마라톤|laufen|бег|марафон|วิ่ง
goal|target|aim|plan|ambition|目标|计划|打算|想要|目標|목표|계획|ziel|plan|цель|план|เป้าหมาย
hobby|hobbies|pastime|interest|interests|leisure|爱好|兴趣|消遣|业余|喜欢|忙活|周末|趣味|취미|hobbys|freizeit|хобби|увлечение|งานอดิเรก
love|like|enjoy|favorite|favourite|prefer|喜欢|喜爱|爱|最爱|偏好|好き|좋아|mögen|mag|liebling|любит|нравится|любимый|ชอบ
prefer|preference|requirement|picky|only|偏好|讲究|要求|只要|希望|习惯|好み|선호|vorliebe|предпочтение
book|books|novel|reading|read|书|书籍|小说|看书|本|책|buch|bücher|lesen|книга|книги|роман|หนังสือ
movie|film|cinema|show|series|电影|影片|电视剧|看剧|映画|영화|kino|фильм|кино|หนัง
music|song|band|concert|festival|音乐|歌曲|歌|音乐节|演唱会|音楽|음악|노래|musik|lied|konzert|музыка|песня|концерт|เพลง
performance|theater|theatre|play|演出|话剧|表演|音乐会|公演|공연|theater|vorstellung|спектакль|театр
game|games|gaming|游戏|ゲーム|게임|spiel|spiele|игра|игры|เกม
photo|picture|pic|camera|image|照片|图片|拍照|相机|写真|사진|foto|bild|фото|снимок|รูป
painting|paint|draw|drawing|art|画|绘画|画画|艺术|絵|그림|malen|gemälde|kunst|картина|рисовать|วาด
birthday|生日|出生|誕生日|생일|geburtstag|день рождения|วันเกิด
anniversary|wedding|married|marriage|surprise|纪念日|结婚|婚礼|惊喜|結婚|記念日|결혼|기념일|hochzeit|jubiläum|свадьба|годовщина|แต่งงาน
gift|present|礼物|送礼|赠|プレゼント|선물|geschenk|подарок|ของขวัญ
recommend|recommended|suggest|suggestion|advice|advise|推荐|建议|介绍|安利|おすすめ|勧め|추천|empfehlen|empfohlen|совет|посоветовал|แนะนำ
teach|taught|method|way|tip|trick|教|办法|方法|技巧|窍门|方法|방법|methode|способ|วิธี
meeting|appointment|会议|开会|约会|预约|会議|회의|termin|besprechung|встреча|ประชุม
deadline|due|截止|到期|期限|締め切り|마감|frist|срок|กำหนดส่ง
buy|bought|purchase|order|shopping|买|买了|购买|下单|订单|购物|買|구매|주문|샀|kaufen|gekauft|bestellung|купил|заказ|ซื้อ
phone|mobile|cellphone|telephone|手机|电话|号码|携帯|電話|전화|휴대폰|handy|telefon|телефон|โทรศัพท์
device|computer|laptop|equipment|设备|电脑|笔记本|机器|パソコン|컴퓨터|gerät|rechner|компьютер|คอมพิวเตอร์
error|bug|failure|crash|outage|报错|错误|故障|日志|エラー|오류|fehler|ошибка|ข้อผิดพลาด
fix|fixed|solve|solved|resolve|resolved|repair|解决|修好|修复|重启|维修|直|해결|수리|lösung|behoben|reparieren|исправить|починил|ซ่อม
availability|uptime|sla|slo|可用性|可用率|稼働率|가용성|verfügbarkeit|доступность
project|项目|工程|プロジェクト|프로젝트|projekt|проект|โครงการ
name|named|called|名字|叫什么|取名|称呼|名前|이름|heißt|имя|зовут|ชื่อ
email|mail|letter|邮件|信|メール|이메일|brief|письмо|อีเมล
style|tone|manner|风格|语气|文风|口吻|スタイル|스타일|stil|стиль
language|speak|语言|会说|言語|언어|sprache|язык|ภาษา
weather|rain|snow|sunny|天气|下雨|下雪|晴|天気|날씨|wetter|погода|อากาศ
sleep|insomnia|bed|睡觉|失眠|睡眠|作息|睡眠|잠|schlafen|schlaf|сон|спать|นอน
happy|glad|excited|joy|高兴|开心|快乐|兴奋|嬉しい|행복|glücklich|счастлив|рад|ดีใจ
sad|upset|depressed|lonely|难过|伤心|沮丧|孤独|悲しい|슬퍼|traurig|грустный|เศร้า
angry|annoyed|mad|生气|愤怒|恼火|怒|화나|wütend|злой|โกรธ
died|death|passed|funeral|去世|逝世|过世|葬礼|亡くな|죽|gestorben|tod|умер|เสียชีวิต
start|started|begin|began|开始|起初|始め|시작|anfangen|begonnen|начал|เริ่ม
finish|finished|complete|completed|end|完成|结束|做完|終わ|끝|fertig|beendet|закончил|เสร็จ
volunteer|volunteering|charity|donate|志愿者|义工|慈善|捐赠|ボランティア|봉사|ehrenamt|волонтер|อาสา
church|religion|faith|pray|教堂|宗教|信仰|教会|교회|kirche|церковь|вера|ศาสนา
kitchen|recipe|bake|baking|厨房|菜谱|烘焙|烤|レシピ|레시피|rezept|backen|рецепт|สูตร
garden|plant|plants|flower|flowers|花园|植物|花|种花|庭|정원|식물|garten|blume|pflanze|сад|цветы|растение|สวน
beach|sea|ocean|lake|海边|海滩|大海|湖|海|바다|strand|meer|see|море|пляж|ทะเล
"""


@cache
def _by_word() -> dict[str, tuple[str, ...]]:
    """Every word of the groups with all others that share a group with it."""
    found: dict[str, dict[str, None]] = {}
    for line in _GROUPS.strip().splitlines():
        words: dict[str, None] = dict.fromkeys(str(word) for word in line.split("|"))
        for word in words:
            found.setdefault(word, {}).update(words)
    return {word: tuple(other for other in found[word] if other != word) for word in found}


@cache
def _unspaced() -> re.Pattern[str]:
    """The words that stand inside others, the longest first."""
    words = [word for word in _by_word() if re.match(_UNSPACED, word)]
    return re.compile("|".join(sorted(words, key=lambda word: (-len(word), word))))


def related_words(question: str) -> tuple[str, ...]:
    """What else the words of a question are called, those of its own script first.

    Args:
        question: in any language; case does not matter.
    """
    text = question.lower()
    spoken = [*re.findall(_SPACED_WORD, text), *_unspaced().findall(text)]
    groups = _by_word()
    related = dict.fromkeys(other for word in spoken for other in groups.get(word, ()))
    unknown = [word for word in related if word not in text]
    is_unspaced = bool(re.search(_UNSPACED, text))
    unknown.sort(key=lambda word: bool(re.match(_UNSPACED, word)) != is_unspaced)
    return tuple(unknown[:MAX_RELATED])
