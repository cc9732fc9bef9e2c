"""Ordinary words that names of bodies, agreements and offices begin with a capital letter, and beginnings of sentences.

A capitalised word that is not among them is taken for a name, which the documents must hold.
"""

_ENGLISH = """
admission admissions appeals arrivals attendees attendance bookings borrowed buildings cancellations candidates charges closed
closing completion construction contractors couples damaged deadlines deliveries deposits donations electricity employers entries
exemptions failure families farmers fares fishers fridays guardians guests homeless homeowners households inspections instructors
interest investors items landlords late lost mediation mondays night objections officials operators orders parking partial passports
payments permits prices principals purchases receipts refunds registration registrations rent repairs reservations residents results
salaries saturdays schools seats services shops sick spectators spouses staff students submit submission submissions subsidies
suppliers sundays surveys taxpayers teachers tenders thursdays tickets tourists trains travellers travelers trips tuesdays tuition
violators visa visitors volunteers wednesdays winners withdrawals workers
half dozen dozens hundreds thousands millions quarter minus dogs adults adult children minors article young leftover bus buses books borrowing buyers bicycles pills vehicles cars car drivers driver passengers pupils tenants owners owner renters patients
academic academy accepted access accord according act action active additional additionally administration
administrative administrator advanced advisor advisory affairs agency agenda agreement agricultural agriculture aid
aim air aircraft all alliance although ambassador amendment an analysis announcement annual another answer any anyone
applicant applicants application applications applies apply applying approval approved apr april areas army art
article artificial arts as asia asian aspects assembly assistance assistant associate association at attachment
attorney aug august authority autonomous award bank base based basic because before benefit benefits bill bio biology
biotechnology board body both branch bridge budget building bureau business but by cabinet call can cannot capital
card care case cash cell center centers central centre certificate certification chain chair chairman chairperson
chancellor change chapter charge charter chief child childcare children citizen citizens city civil class clause
climate coalition code collaboration college commission commissioner commitment committee common communication
communications community companies company competition complaint computer computing conference congress constitution
construction consul consultation consumer contact contract convention cooperation coordinator copies copy corporation
council councillor counselor countries country county court credit crime cultural culture currently customs cyber data
date day deal dec december declaration defence defense delegation department deputy design desk development device
devices digital diplomatic director directorate disability disaster disease district division document documents
domestic draft during each early east eastern economic economies economy education educational eighth either election
electronic eligibility eligible embassy emergency employee employees employer employment energy engineering enterprise
environment environmental equality europe european event every everyone examination executive exhibition expenses
expert export exports external facility fair family feb february federal federation fee fees fellow female festival
fifth finance financial financing fire first fiscal fisheries five following food for force foreign forest form forms
forum foundation four fourth framework free fri friday from full fund funding funds furthermore future gas gender
general global goal goals government governor grand grant green group groups growth guarantee guide guideline
guidelines he head headquarters health healthcare her heritage high higher his history holder holders home hospital
host house household households housing how however human ict id if immigration implementation import in income
independent individuals industrial industries industry information infrastructure innovation innovations inspection
institute institution insurance integrated intelligence intelligent interest interior internal international internet
investment island issue it its jan january job joint journal judge judicial jul july jun june justice key kindergarten
king knowledge labor laboratory labour land language large late law laws lead leader leaders leadership learning legal
legislation letter level library licence license life line list loan local machine made main major management manager
manufacturing mar march marine maritime market material may mayor meanwhile measures media medical medicine medium
meeting member members memorandum mental message military minister ministers ministry minor mission mobile mobility
model mon monday month moon moreover mother mou multicultural municipal museum mutual nation national nations natural
naval navy need network new next ninth no north northeast northern not note notice nov november nuclear number
occupational ocean oct october of office officer officers official officials on one online only open operation
operations or order organisation organization organized other our outer overall pacific page panel parent parents park
parliament part participants participation parties partner partners partnership party passport patent path payment
peace pension people person persons pharmaceutical phase phone pilot plan planning plans point police policies policy
political population port post power preparation president presidential press prevention prime prince principal
private procedure procedures product professor program programme project projects promotion property prosperity
protection protocol province provincial public purpose qualification quality quantum quarter queen question rail
railway rate recent recipients record regional registration regulation regulations regulatory related relations
relationship release relief renewable rent report representative representatives republic request required research
reserve residence resident residents resolution resource resources response rights risk river road room round rule
rules rural safe safety sat satellite saturday scheme scholarship school science sciences scientific scientists second
secretariat secretary section sector sectors security self semiconductor senate senior sep separately sept september
service services session seventh sex shared she ship shipping ships signing since single six sixth skill small smart
so social society software solar some south southeast southern space special specialist specifically sport sports
staff standard standards state statement states station statistics status step stock strategic strategy street
strength student students subsidies subsidy such summit sun sunday supply support supreme sustainable system systems
task tax taxes teacher team technical technologies technology telecommunications telephone ten term text that the
their then there these they third this those three through thu thursday thus ticket time title to together total tour
tourism town tpd trade traditional training transport transportation travel treasury treaty tue tuesday two under
understanding union unit united universal university unlike until upon urban use user users utilization vehicle
venture veterans vice village visa vision visit visitors volunteer vote wage was waste water we website wed wednesday
week welfare were west western what when where whether which while white who wind with within without woman women work
worker workers workforce working works workshop world year years yellow yes you your youth zone zones
"""
_VIETNAMESE = """
xe vé lệ thuốc du cá hộ sinh mỗi nhân thư thời trong thông cha mẹ con
an anh ba ban bao biên biển buổi bài báo bên bình bước bản bắc bằng bố bộ bởi cao chi chiến cho chung chuyên chính
chương chất chế chỉ chủ chức cuộc các cách có công cùng cơ cước cải cảng cấp cần cộng cục của danh do doanh dài dân
dầu dịch dịp dữ dự dựa ghi ghế gia giá giáo giải giấy giữa gần hai hiến hiểu hiện hiệp huyện hàng hành hướng hạ hạnh
hải hệ học hồ hội hợp hữu khai khi khoa khoản khu khác không kinh kế kỹ lao liên luật là lãnh lĩnh lượng lập lễ lịch
lớn lực miền mua môi mẫu mặt mọi mỗi một mở mục mức nam nghiên nghiệp nghệ nghị ngoài ngoại nguyên nguồn ngành ngày
người nhiều nhiệm nhà nhân nhóm như nhất những nông năm năng nước nếu nền nội nữ phong pháp phát phí phòng phó phần
phố phối phụ phủ quan quy quyết quyền quản quận quốc quỹ ra sau sinh sách sản số sở sự thanh theo thoả thu thuận thuế
thuộc thành thái tháng thông thư thương thượng thạc thẩm thế thị thỏa thời thủ thứ thực tiến tiếp tiền tiểu toà toàn
tranh triển trong trung trách trí trưng trước trường trưởng trợ trụ trực tuyên tuyển tài tác tâm tân tây tín tính tòa
tăng tư tương tại tạo tất tầm tập tỉnh tổ tổng tới tức từ uỷ vai vay viên việc viện và vào vì vùng văn vũ vấn vận vật
về với vụ vực xuất xây xã xứ y yêu điều điện đoàn đài đáp đó đông đơn đưa đường được đại đạo đảng đặc đến đều để định
đối đồng ở ủy
"""

TITLE_WORDS = frozenset(f"{_ENGLISH} {_VIETNAMESE}".split())
