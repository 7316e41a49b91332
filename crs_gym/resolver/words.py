"""Words that are common in English talk about films, so that a title made of them alone needs a cue.

Written down by hand, from no corpus. `STRICT` words run through any conversation; `ORDINARY` words are common enough
that one of them in lower-case prose is no title.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ARTICLES: Final = frozenset(("the", "a", "an"))

SMALL_TALK: Final = _words(
    """
    absolutely agreed ah alright amazing awesome bye cool correct definitely exactly excellent fantastic good
    goodbye great haha hello hey hi hiya hmm howdy indeed k lol morning nah nice night no nope oh ok okay perfect
    please right sorry sure thank thanks thx true ty welcome well wonderful wow yea yeah yep yes yup
    """
)
"""Whole messages by themselves; such a message is no title."""

FUNCTION: Final = _words(
    """
    i me my mine myself we us our ours you your yours u ya he him his she her hers it its they them their theirs
    this that these those who whom whose which what when where why how im ive id ill youre youve youd youll hes shes
    theyre weve theyve thats theres whats lets dont doesnt didnt cant couldnt wont wouldnt isnt wasnt arent havent
    hasnt a an the and or but nor so yet if then than as at by for from in into of off on onto out over per to up
    upon with without about above across after against along among around before behind below between beyond down
    during except inside like near outside past since through till until toward towards under via while because
    though although be am is are was were been being do does did done doing have has had having can could may might
    must shall should will would get gets got gotten getting go goes going gone went come comes came coming make
    makes made making take takes took taking see sees saw seen seeing look looks looked looking watch watches
    watched watching know knows knew known think thinks thought want wants wanted need needs needed try tries tried
    trying find finds found say says said tell tells told ask asks asked give gives gave given let use used feel
    feels felt seem seems seemed keep kept put hear heard hearing love loves loved loving likes liked enjoy enjoys
    enjoyed hate hated hope hopes hoped guess mean means meant start started stop stopped help helps helped show
    shows showed check checked recommend recommended recommends rent rents rented renting suggest suggested
    suggestion suggestions recommendation recommendations remember prefer work works worked live lived call called
    play plays played talk chat wait not never ever also too very really quite just only even still again already
    always often sometimes usually maybe perhaps here there now today tonight tomorrow yesterday soon later ago once
    almost else instead rather pretty more most much many few less least lot lots some any all both each every
    either neither none other others another same such own enough several first second last next one two three four
    five six seven eight nine ten something anything nothing everything someone anyone everyone nobody somebody
    anybody everybody
    """
)
"""Pronouns, auxiliaries, prepositions, and the verbs and adverbs of any talk."""

STRICT: Final = (
    SMALL_TALK
    | FUNCTION
    | _words(
        """
    big small little old new young long short high low fast slow hard easy early late best better bad worse worst
    fine funny scary sad happy fun cute sweet weird strange crazy different similar favorite favourite interesting
    interested boring serious dark light real popular classic original recent modern older newer full whole hot cold
    free sick fan fans kind kinds type types sort way things thing stuff time times day days week weekend year years
    movie movies film films flick flicks series sequel trilogy remake version story plot scene actor actors actress
    director cast comedy comedies horror action drama dramas thriller thrillers romance romantic western westerns
    war fantasy musical musicals mystery animation animated cartoon cartoons documentary crime adventure family kids
    genre sci fi scifi superhero superheroes rom com people person man men woman women guy guys girl girls boy boys
    kid child children friend friends wife husband mom dad mother father sister brother son daughter home house
    school life world end
    """
    )
)
"""The words that any talk about films is made of."""

PROPER: Final = _words(
    """
    adam africa alan albert alex alexander alice allen amelia america american amy andrew andy angela angelina anna
    anne annie anthony april arizona arthur august australia barbara ben benjamin berlin betty bill billy bob bobby
    boston brad brandon brazil brian british bruce california canada carol carrie catherine charles chicago china
    chinese chris christina christine christmas christopher christy cindy claire cuba dallas daniel danny david dc
    december dennis detroit diana diane disney don donald donna easter edward egypt elizabeth ellen emily emma
    england english eric ethan eva evan evelyn february florida frank french friday gary george german germany
    gloria god grace greg halloween hannah harold harry harvey hawaii heather helen henry hollywood howard hugh hugo
    ian ida imdb india indian iraq ireland irish israel italian italy jackie jacob jamaica james jamie janet january
    japan japanese jason jeff jennifer jenny jeremy jerry jesse jessica jim jimmy joan joey johnny jon jonathan
    jordan joseph josh joshua juan judy julia julian julie july june justin kansas karen kate katherine kathy keanu
    keith ken kenny kim korea korean kyle larry laura lauren leo leon leonardo lily linda lisa liz lola louis louise
    luke march margaret maria marie mario martin marvel mary matt matthew meg mel melissa mexican mexico mia miami
    mickey mike molly monday monica morgan munich nancy natalie nathan nebraska neil netflix nevada nicholas nicole
    november october oklahoma oliver olivia oscar owen pam patrick penelope pg phil philadelphia philip rachel ralph
    ray rebecca richard rick robert roger rome ron rosa rosemary rosie roy russell russia russian ruth ryan sally
    samantha samuel sandra sara sarah saturday scotland scott sean selena september seth sharon simon sophia sophie
    spain spanish stanley stella stephen steve steven sue sunday susan sylvia taylor teresa terry thanksgiving
    theresa thomas thursday tim timothy tina todd tokyo tommy tony tuesday tv tyler uk usa valentine valentines
    victor victoria vietnam vincent virginia walter wanda wednesday will william wilson york zoe
    """
)
"""First names, places, days: a capital on one of them says nothing."""

ORDINARY: Final = (
    STRICT
    | PROPER
    | _words(
        """
    able accepted accident accuse act addict adult affair aid air airplane airport alien aliens alive alone amuse
    angel angels anger animal animals ant apartment arm army arrival art ash attack attract aunt autumn avalanche
    awake aware away baby bachelor back backstage bag ball balls band bandits bank bar baseball basic basketball bat
    battle beach bean bear beast beautiful beauty became become bed bedtime bee beer beginners believe bell belly
    beloved beneath bet bigger bird birds birth birthday bit bite black blade blast blended bless blind blood bloody
    blow blue board boat body bodyguard bomb bones book books boomerang border bore born boss bounce bound bowling
    box boxing brain brave bread break breakdown breaking breath breathe brick bride bridge brief bright broken
    brothers brown bubble buddy buffalo bug bugs bully bunch bunny buried burn burned burning bus business busy
    butterfly buy cabin cake camera camp candy cape capital captain car card cards care career careful carnival cars
    case cash castle cat catch cats caught cave cell chain challenge champ champion chance change changing chaos
    character characters charge charlie charm chase cheap cheaper cheese chef cherry chess chicken chief chocolate
    choice choices choose chosen christian chuck church cinema circle circus citizen city civil class classics clean
    clear clerk clerks clever click cliff climb clock close closed closer closet clown club clue coach coast cobra
    cocktail code coffee collateral college color colors colour colours comic comics commander commando common
    company complete computer con concert condition confession confidence confused connected conspiracy contact
    content contract control conversation conviction cook cookie cop cops copy core corner corpse cost couch country
    couple courage course court cover cowboy cowboys cracks cradle craft crash craving cream creature creatures
    creed creep crew crossing crossroads crow crowd cruel cruise cry cube cup cure curious curse cut daddy damage
    damn dance dancer dancing danger dangerous dare darkness date dates dave dawn dead deadly deal dear death decent
    deep deer defiance delicious delivery demon demons den department depressed descend descent desert desire
    destiny detective devil devote diamond diamonds dictator die died difficult dinner dinosaur dinosaurs dirty
    disappointed disaster distance distinct disturbing divorce doctor dog dogs doll dolls dolphin domestic door dope
    double doubt dozen drag dragon dragons draw dread dream dreamer dreams dress drift drink drive driven driver
    drop drown drugs drum drunk duel dumb dune dust dying eager eagle ear earth eastern eat eating echo ed edge
    education effects egg elder election elegant elements elephant elf elves empire empty encounter endless enemies
    enemy engage engine entertaining epic equilibrium escape europe event everest evidence evil evolution ex exact
    excited executive exhaust exit exodus exotic expect experience experiment explorers extra extract extreme eye
    eyes face fact factory fail fair faith fake fall fallen falling falls fame familiar famous far farm fart fashion
    fat fatal fate fault favor fear fearless feast feature feeling feelings feet fellow fence fever fiction field
    fifteen fifty fight fighter fighting figure final finally finish finished fire fish fishing fits flame flash
    flashback flat flaw flawless flight flipped float floor flower flowers fly flying focus fog follow following
    fond food fool foot football forbidden force foreign forest forever forget forgot forgotten former fortunate
    forty fox fracture frame france freak freaks freaky fred freedom frequency fresh fright frog front frozen fruit
    fuel fugitive fury future gallery gambler game games gang gangs gangster garden gas gate gay gem general
    generation genius gentleman gentlemen genuine ghost ghosts giant gift giver giving gladiator glass glitter glory
    goal goat godfather gods gold golden golf gore gorgeous gory gothic grand grandma grandpa grateful gravity gray
    green grey grim gross ground group grow growing grown guardian guest guilt guitar gun guns gym hair half hall
    hand handful handle hands handsome hang hanging hangover happen happened happening happens happiness harsh
    harvest hat haunt haunted haunting haven head health heart hearts heat heaven heavy heck heist held hell helper
    hero heroes heroic hidden hide hilarious hill hills hint hip history hit hitman hold holding hole holes holiday
    holidays holler hollow holy homecoming homeless honest honey honor hood hook hop horns horrible horrific
    horrifying horrors horse horses hospital host hostage hotel hour hours housekeeper hulk human humble hundred
    hung hunger hungry hunt hunted hunter hunters hunting hurricane hurt husbands hush hustle ice idea identity
    idiot idle idol ignore illegal imaginary imagination immortal impact important impossible impressed include
    incredible independence independent innocent insane insanity inspirational inspired instinct insult intense
    interest intern internal international interview intrigued intruders invasion invincible invisible invitation
    involve island jack jail jam jane jazz jealous jersey jet job jobs joe john joint joke joker jokes journey joy
    joyful judge jump jungle junior jury justice karate kevin key kick kicking kidnap kill killed killer killers
    killing king kingdom kings kiss kissed kissing kitchen knife knight knights knives knocked knowing lab labor
    labyrinth ladies lady lake lamb lame land language large laugh laughs laughter law lawyer layer lazy lead leader
    league learn leather leave leaves leaving left leg legal legend legends legion legit lesson letter letters liar
    liberty lie lies lifetime lights limit line lines lion lions list listen literally lively lives living loaded
    local lock locked london lonely loner loser losers losing lost loud lovely lover lovers loyal luck lucky lucy
    lunch mad madison madness mafia magic magical magician major malice malls mama maniac map marine marines mark
    marriage married marry mask massacre massive master masters match matter max maze meal meaning meat mechanic
    media medicine meet meeting member memories memory mental mermaid mess message met metal metro michael middle
    midnight midway mighty mild milk million mind minds minute minutes miracle mirror mirrors misery miss missed
    missing mission mistake mob model moment moments mommy money monkey monkeys monster monsters mood moon moral
    mortal motel moth moths mountain mountains mouse mouth move moved moving mud muffin mummy murder muse music myth
    naked name names nap nation national native natural nature naughty navy necessary neck neighbor neighbors nerve
    nervous nest network neutral news newspaper nick nightmare nightmares nights ninja noel noise normal north
    notebook notes notice notorious nowhere nuclear number nurse nutcracker nuts obsess obsessed obsession obvious
    ocean odd offer office officer oil oldest olympics open opera operation opinion opposite orange order orders
    ordinary orphan outbreak outcast outlaw outrage overall overboard owl pack package pain paint painted pair pan
    panic paper parade paradise paranoia paranoid parent parenthood parents paris park parody part parties partner
    parts party pass passage passed passenger passengers passion path patience patient paul pay payback peace
    peaceful peanuts pearl pen period personal pet peter pets phone photo piano pick picked picnic picture pictures
    piece pig pills pilot pink pirate pirates pitch place places plan plane planes planet plans plant player
    pleasure plenty plug plus poetry point points poison police polite political politics poor pop popcorn pope porn
    possession possible post powder power powerful practice pray prayer precious predator preference pregnant
    premonition prepared present president prestige pretend price pride priest prime prince princess prison prisoner
    prisoners private prize probably problem problems producers professional professor program project prom promise
    proof proper prophecy proposal proud prove psycho pulse pump pumpkin punch puppet puppy pure purple purpose
    pursue push puzzle queen quest question questions quick quiet quit rabbit race racing radio rage raid rain
    rainbow random rang range ransom rare rat rate rated ratings rats raw reach read reading ready reaper reason
    rebel rebels rebound recall received reckless record red ref reflection regular relate relationship relax
    release released relentless religious remain remains reminded rental repo report request rerun rescue respect
    rest restaurant restless result return returns revenge review reviews revolution rewatch rich ride rider
    ridiculous ring rings rise rising risk risky river road rob robbery robin robot robots rock rocket rogue role
    roll roof room rose rough round route royal rude rudy ruin ruins rule rules run runaway runner running rush
    ruthless sabotage sacred safe safety saint salt sam sanctuary sanctum sand santa satisfied savage save saved
    saving saying scandal scar scare scarecrow scared scarier scatter science score scream screen script sea search
    season seat sec secret secretary secrets secure security seed seek self selfish sell semester senior sense
    sentence sequels serenity serial seriously service set seventeen seventh seventies sex sexy shadow shadows
    shallow shame shape share shark sharks shattered sheep shelter sheriff shine ship shock shoes shoot shooter
    shooting shop shore shot shout shut shy siblings side sign signs silence silent silk silly silver simple simply
    sin sincere sing singer singing single singles sinister sir sisters sit site sitter situation sixteen sixth size
    skin skip sky skyline sleep sleepers sleeping sleepless slice slide sliding smart smile smoke smooth snake
    snakes snatch sneakers sniper snow soap sober soccer society soft solace sold soldier soldiers solid solo
    somewhat somewhere song songs sorcerer soul sound sounds soundtrack source south southern space spark speak
    special species specific spectacular speech speed spell spend spider spies spin spirit spirits split spoil
    spoiler spooky sport sports spot spotlight spread spring spy squad square stage stand star stars state states
    station stay steal step steps stick sting stole stolen stone stoned stories storm straight stranded stranger
    strangers street streets strength stress strictly strike strings strong stubborn stuck student students studio
    stupid style stylish submarine subtle success sucks sudden suddenly suffer suit summer sun sunset sunshine super
    superior support surf surprise surprised surreal survival survive survivor suspect suspense suspenseful swan
    swat swear sweetheart swim swing switch switched sword system tag tail taken takers tale talented tales talking
    tangled tank target taste taxi tea teacher team tears technology teen teenage teenager teens teeth television
    tempt tender tense terminal terrible terrific terrifying terror test texas theater theatre therapy thick thief
    thin third thirteen thirty thousand throw thrown thunder ticket tie tiger tight timeless timeline tin tiny tire
    titans title toast tom tomb tone tooth top topic torn torque total totally touch tough tour town toy toys trace
    trade traffic tragic trailer train training traitor trance trap trapped trash travel traveler treasure tree
    trees trek trial trick trip triple triumph trivia trojan troll trolls troop trouble troubled truck trust truth
    tunnel twelve twenty twilight twin twins twist twisted twister ultimate unbroken uncle undead undercover
    underground understand underwater underworld undisputed unfair unforgettable unicorn union unique unknown
    unleashed unlocked unstoppable unusual upset upside urban urge urgent useful vacancy vacation valley vampire
    vampires van vanished vanishing variety vegas venom vertigo veteran vibe vice vicious victim victory video view
    viewer village villain violence violent virgin virus vision visit visitor vivid voice volcano vote vulnerable
    wage walk walking wall warning warrior warriors washington wasted watcher watchers water wave waves weak wealth
    weapon wear weather wedding weddings weight werewolf west whatever wheel whip white wicked wicker wide widow
    wild wilderness win wind window wine wing wings winner winning winter wisdom wise wish wit witch witches witness
    wizard wolf wolves wonder wonderland woods word words worlds worried worth wounds wrap wrath wreck wrestler
    wrestling write writer writing written wrong yard yell yellow zany zero zombie zombies zone zoo zoom
    """
    )
)
"""`STRICT` and `PROPER` words, and common nouns, verbs and adjectives."""

_ENDINGS: Final = ("s", "es", "ed", "d", "ing", "er", "r", "ers", "ly", "y", "ness", "ful", "less", "ies", "n")


def is_ordinary(word: str) -> bool:
    """Whether the word, or one that it is made from by a common ending, is in `ORDINARY`."""
    if word in ORDINARY:
        return True
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            stem = word[: -len(ending)]
            if stem in ORDINARY or stem + "e" in ORDINARY or stem + "y" in ORDINARY:
                return True
            if stem[-1] == stem[-2] and stem[:-1] in ORDINARY:
                return True
    return False


PRONOUNS: Final = _words(
    """
    i me we us you he him she her it they them this that these those there here what who
    """
)
"""Words that begin a sentence of their own: `It was good` says nothing of a film named `It`."""

DETERMINERS: Final = frozenset(("a", "an", "my", "your", "his", "her", "its", "our", "their"))
"""Words that a thing follows, and a name does not: `a date night`."""

INDEFINITE: Final = frozenset(("something", "anything", "everything", "nothing", "some", "any", "another"))
"""What people watch, without a name: `watch something new`."""

KINDS: Final = _words(
    """
    movie movies film films flick flicks genre genres show shows stuff fan fans
    """
)
"""Words that turn the one before them into a description: `Romance movies`."""

VERBS: Final = _words(
    """
    is was are were has have had do does did can could would will really looks looked sounds sounded seems seemed also
    isnt wasnt arent werent
    """
)
"""What follows a subject, so that a pronoun before it is a pronoun."""

UNITS: Final = _words(
    """
    times time hours hour days weeks months years year minutes or and to of more other stars
    """
)
"""After `Shrek 3 …`, these say that the number counts something, and names no sequel."""

PARTS: Final = frozenset(("part", "chapter", "volume", "vol", "episode"))

WATCHING: Final = _words(
    """
    saw seen see watch watched watching like liked love loved loves enjoy enjoyed suggest suggested recommend
    recommended called named titled try tried rent rented hated hate
    """
)
"""Words that a title often follows."""

ABBREVIATIONS: Final = _words(
    """
    dr mr mrs ms st vs vol jr sr no lt sgt capt col pt ep prof
    """
)
"""Words whose full stop ends no sentence."""

LINKS: Final = _words(
    """
    of the and in a an to for on at with or from is are s vs by as but into than if
    """
)
"""Small words that stay in lower case inside a title."""
