"""How tests count: what passed, failed and was skipped, and the line that says so."""


class Tally:
    """passed(), failed() and skipped() of cases; report() is the end of a test."""

    def __init__(self):
        self.count = {'passed': 0, 'failed': 0, 'skipped': 0}
        self.reasons = {}

    def check(self, name, ok, why=''):
        self.add('passed' if ok else 'failed', name, why)

    def add(self, result, name, why=''):
        """`why` of a skipped case may be shared by many: report() counts them."""
        self.count[result] += 1
        if result == 'failed':
            print(f'FAILED {name}: {str(why).strip()[:600]}')
        if result == 'skipped':
            self.reasons[why] = self.reasons.get(why, 0) + 1

    def report(self, reasons=False):
        """The last line of the output; true if a case failed."""
        if reasons:
            for why, n in sorted(self.reasons.items(), key=lambda r: -r[1]):
                print(f'{n:5} {why}')
        print('{passed} passed, {failed} failed, {skipped} skipped'.format(**self.count))
        return self.count['failed'] > 0
